/** Settles as the work does, or rejects with the signal's reason as soon as it fires; the work is then left alone. */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    work.then(resolve, reject);
    if (signal.aborted) reject(signal.reason as Error);
  });
}
