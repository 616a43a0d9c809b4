/** Of no key's length. */
const BULLETS = '•'.repeat(12);
const MOST_SHOWN = 4;

/** What people are shown of an API key: its last characters, never more than a quarter of it. */
export function masked(apiKey: string): string {
  const shown = Math.min(MOST_SHOWN, Math.floor(apiKey.length / 4));
  return BULLETS + (shown > 0 ? apiKey.slice(-shown) : '');
}
