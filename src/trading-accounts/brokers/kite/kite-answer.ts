import { z } from 'zod';
import { BrokerFailure, BrokerFailureKind } from '../broker';
import { KiteReply } from './kite-http';

/** Fit for a header and a column. */
const printable = (longest: number): z.ZodString =>
  z
    .string()
    .max(longest)
    .regex(/^[\x21-\x7e]+$/);

export const sessionData = z.object({
  user_id: printable(64),
  api_key: printable(128),
  access_token: printable(512),
});
export const profileData = z.object({ user_id: printable(64) });
export const logoutData = z.unknown();

const success = z.object({ status: z.literal('success'), data: z.unknown() });
const failure = z.object({ status: z.literal('error'), error_type: z.string().max(64) });

/** By `error_type`, and not by status: Kite says the same thing now with 400, now with 403. */
const KINDS = new Map<string, BrokerFailureKind>([
  ['TokenException', 'session_over'],
  ['InputException', 'refused'],
  ['PermissionException', 'refused'],
  ['UserException', 'refused'],
  ['TwoFAException', 'refused'],
  ['GeneralException', 'unavailable'],
  ['NetworkException', 'unavailable'],
  ['DataException', 'unavailable'],
]);

/**
 * What an answer says, where it is what was asked for.
 * @throws BrokerFailure; of Kite's own words it repeats none.
 */
export function readAnswer<T>({ status, retryAfter, text }: KiteReply, shape: z.ZodType<T>): T {
  if (status === 429)
    throw new BrokerFailure('unavailable', 'kite: too many calls', { retryAfter, because: 'limited' });
  const said = parse(text);
  const error = failure.safeParse(said);
  const type = error.data?.error_type ?? '';
  const kind = KINDS.get(type);
  // Trouble there has a status of its own; what comes with another is about this call.
  const because = kind === 'unavailable' && status < 500 ? 'declined' : undefined;
  if (kind) throw new BrokerFailure(kind, `kite: ${type} (${status})`, { retryAfter, because });
  if (status >= 500) throw new BrokerFailure('unavailable', `kite: status ${status}`, { retryAfter });
  const data = status === 200 ? success.safeParse(said) : undefined;
  const wanted = data?.success ? shape.safeParse(data.data.data) : undefined;
  if (!wanted?.success) throw new BrokerFailure('bad_answer', `kite: an answer of another form (${status})`);
  return wanted.data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
