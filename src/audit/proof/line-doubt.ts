/** A member that JSON.parse takes like any other, and whoever copies the object may lose, our own schemas among them. */
const PROTOTYPE = /(?<!\\)"__proto__":/;

/**
 * What in a line nobody has proved, though what it was parsed to may be. A person, or another program, reads the text: of
 * a member that is there twice they may take the one that the parser does not.
 * @param line what the text was parsed to; an object.
 * @returns in words; null where the line is just what was parsed.
 */
export function doubtOf(text: string, line: object): string | null {
  // An export is written by JSON.stringify, and what that writes comes back the same, whatever the order of members.
  if (JSON.stringify(line) !== text) return 'is not written as an export writes it';
  // A quotation mark within a text has a backslash before it, one that begins a name never: before that is `{` or `,`.
  if (PROTOTYPE.test(text)) return 'has a member __proto__';
  return null;
}

/** Whether a schema has left out members that it does not know. @param parsed by the schema, from the same line. */
export const hasMore = (line: unknown, parsed: unknown): boolean =>
  // Of strings JSON.stringify makes as much of the same whatever order they are in.
  JSON.stringify(line).length !== JSON.stringify(parsed).length;
