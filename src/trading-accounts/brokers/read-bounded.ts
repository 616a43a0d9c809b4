/** Thrown for a body that is longer than allowed. */
export class TooLong extends Error {}

/**
 * Reads a body as text, and no more of it than allowed: neither one without an end nor one that grows when it is
 * unpacked fills the memory. @throws TooLong
 */
export async function readBounded(reply: Response, longest: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the rest.
  for await (const chunk of (reply.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > longest) throw new TooLong(`longer than ${longest} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
