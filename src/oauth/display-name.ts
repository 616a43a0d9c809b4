const MAX_LENGTH = 255;

/**
 * A name from elsewhere, made to follow the rules of `IsName`: one line, no invisible characters, not too long. The
 * local part of the address where nothing is left of it.
 */
export function displayName(name: string | undefined, email: string): string {
  return clean(name ?? '') || clean(email.slice(0, email.lastIndexOf('@')));
}

function clean(text: string): string {
  const line = text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .replace(/\p{C}/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
  // By characters: half of one would be no well-formed text.
  let short = '';
  for (const character of line) {
    if (short.length + character.length > MAX_LENGTH) break;
    short += character;
  }
  return short.trim();
}
