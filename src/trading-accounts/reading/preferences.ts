/** What applications keep with an account. It is theirs: the service reads no more of it than it documents. */
export type Preferences = Record<string, unknown>;

export const MOST_PREFERENCES = 20;
export const MOST_PREFERENCE_BYTES = 4096;
/** Objects and arrays in each other, the whole included. */
export const DEEPEST_PREFERENCES = 3;
/** No key begins like `__proto__`, at whatever depth. */
const KEY = /^[A-Za-z][\w.:-]{0,63}$/;

/** What is wrong with a value as preferences; undefined where nothing is. */
export function preferencesProblem(value: unknown): string | undefined {
  if (!isObject(value)) return 'must be an object';
  return memberProblem(value, DEEPEST_PREFERENCES);
}

/** As `preferencesProblem` of the result of a change, which may not grow beyond all bounds. */
export function sizeProblem(preferences: Preferences): string | undefined {
  if (Object.keys(preferences).length > MOST_PREFERENCES) return `must have at most ${MOST_PREFERENCES} keys`;
  if (Buffer.byteLength(JSON.stringify(preferences)) > MOST_PREFERENCE_BYTES)
    return `must be at most ${MOST_PREFERENCE_BYTES} bytes of JSON`;
  return undefined;
}

/** RFC 7396: members replace those of the same name, objects are merged, and null removes. */
export function mergePreferences(preferences: Preferences, patch: Preferences): Preferences {
  const merged = new Map(Object.entries(preferences));
  for (const [key, value] of Object.entries(patch)) {
    const before = merged.get(key);
    if (value === null) merged.delete(key);
    else merged.set(key, isObject(value) ? mergePreferences(isObject(before) ? before : {}, value) : value);
  }
  return Object.fromEntries(merged);
}

function memberProblem(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string' && (value.includes('\0') || /\p{Surrogate}/u.test(value)))
    return 'must hold well-formed text without NUL';
  // Of JSON such as 1e999, which cannot be written back.
  if (typeof value === 'number' && !Number.isFinite(value)) return 'must hold finite numbers';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth === 0) return `must not be nested deeper than ${DEEPEST_PREFERENCES}`;
  if (isObject(value) && !Object.keys(value).every((key) => KEY.test(key)))
    return 'must have keys that begin with a letter, of at most 64 letters, digits, and _ . : -';
  return Object.values(value)
    .map((member) => memberProblem(member, depth - 1))
    .find((problem) => problem !== undefined);
}

function isObject(value: unknown): value is Preferences {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
