const MOST = 64;

/**
 * What one person has written (a name, a nickname), for a mail to another: one short line, from which no mail program
 * makes a link. We send it, so it must not be able to send people anywhere.
 */
export function mailWords(text: string): string {
  // First what merely looks like another letter becomes that one (Unicode TR15, NFKC); resolvers read 。 as a dot too.
  const line = text
    .normalize('NFKC')
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim();
  const letters = [...line];
  const short = letters.length > MOST ? `${letters.slice(0, MOST - 1).join('')}…` : line;
  return short.replace(/([.。:/@])(?=\S)/g, '$1 ');
}

/** How a mail names an account: by what its owner calls it, and where it is. */
export const accountWords = ({ nickname, broker }: { nickname: string | null; broker: string }): string =>
  nickname === null ? `an account at ${broker}` : `the account “${mailWords(nickname)}” at ${broker}`;
