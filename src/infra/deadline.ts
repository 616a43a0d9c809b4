/** What was waited for took too long. */
export class LateError extends Error {
  override readonly name = 'LateError';
}

/**
 * Settles as `promise` does, or fails with a `LateError` after so many milliseconds. What it waited for goes on, unheard.
 * @param what for the message: "PostgreSQL took longer than 1000 ms".
 */
export async function withDeadline<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new LateError(`${what} took longer than ${milliseconds} ms`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
