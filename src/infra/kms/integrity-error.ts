/** Something encrypted was changed, cut, moved, or is under a key that is not ours: it must not be believed. */
export class IntegrityError extends Error {
  constructor(what: string, cause?: unknown) {
    super(`${what} is not what was encrypted`, { cause });
    this.name = 'IntegrityError';
  }
}
