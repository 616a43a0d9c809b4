import { createHash } from 'node:crypto';
import type { QueryConfig } from 'pg';

/** More texts than the service has; those beyond it, made up at run time, are planned each time. */
const MOST = 300;

const names = new Map<string, string>();

/**
 * A statement with a name where it has parameters, so that a connection has PostgreSQL parse and plan each text once.
 * Planning a query with joins costs more than running it: half as many guarded reads again fit into a second.
 */
export function prepared(text: string, values: unknown[]): QueryConfig {
  return { name: values.length > 0 ? nameOf(text) : undefined, text, values };
}

/** Undefined where there are too many texts already. */
function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MOST) return known;
  // By what it says, for behind a pooler connections of other versions of the service may see the same names.
  const name = createHash('sha256').update(text).digest('base64url');
  names.set(text, name);
  return name;
}
