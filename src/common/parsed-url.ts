/**
 * A URL (WHATWG), or undefined where the text is none. `URL.canParse` is no way to ask: in Node 20 and 22 it says no to
 * good URLs beyond ASCII once it has been called some thousand times (its fast path takes Latin-1 for UTF-8).
 */
export function parsedUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
