/**
 * The texts that fit a BCP 47 tag best, by RFC 4647 section 3.4 (lookup): `de-AT` takes `de-AT`, else `de`, else `en`.
 */
export function pickLocale<T>(locale: string, texts: Record<string, T> & { en: T }): T {
  const byTag = new Map(Object.entries(texts).map(([tag, text]) => [tag.toLowerCase(), text]));
  const subtags = locale.toLowerCase().replaceAll('_', '-').split('-');
  for (; subtags.length > 0; subtags.pop()) {
    const text = byTag.get(subtags.join('-'));
    if (text !== undefined) return text;
  }
  return texts.en;
}
