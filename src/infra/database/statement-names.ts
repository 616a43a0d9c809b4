import { createHash } from 'node:crypto';

/** More texts than the service has; those beyond it, made up at run time, are planned each time. */
const MOST = 300;

/**
 * Names for statements, so that a connection has PostgreSQL parse and plan each text once. Planning a query with joins
 * costs more than running it: half as many guarded reads again fit into a second.
 */
export class StatementNames {
  private readonly names = new Map<string, string>();

  /** Undefined where there are too many texts already. */
  nameOf(text: string): string | undefined {
    const known = this.names.get(text);
    if (known !== undefined || this.names.size >= MOST) return known;
    // By what it says, for behind a pooler connections of other versions of the service may see the same names.
    const name = createHash('sha256').update(text).digest('base64url');
    this.names.set(text, name);
    return name;
  }
}
