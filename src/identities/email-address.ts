import { isEmail } from 'class-validator';

/** RFC 5321 section 4.5.3.1.3: a path has 256 characters, two of them angle brackets. */
const MAX_LENGTH = 254;

/**
 * The form in which addresses are stored and compared: trimmed and lower-cased. An address that compatibility
 * normalisation (NFKC) would change is refused, because it looks like another one; so is one without a valid domain.
 * @returns null for what is no usable address.
 */
export function normaliseEmail(text: unknown): string | null {
  if (typeof text !== 'string') return null;
  const trimmed = text.trim();
  if (trimmed.length > MAX_LENGTH || trimmed !== trimmed.normalize('NFKC')) return null;
  const lower = trimmed.toLowerCase();
  // First, because isEmail throws on a lone surrogate (\p{Cs}).
  if (/[\p{C}\p{Z}"]/u.test(lower)) return null;
  return isEmail(lower, { allow_utf8_local_part: true }) ? lower : null;
}
