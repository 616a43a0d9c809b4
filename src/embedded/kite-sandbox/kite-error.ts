/** `error_type` of Kite's errors that the sandbox has a reason for. */
export type KiteErrorType =
  'TokenException' | 'InputException' | 'GeneralException' | 'NetworkException' | 'DataException';

/** An error as Kite says it. */
export class KiteError extends Error {
  constructor(
    readonly status: number,
    readonly type: KiteErrorType,
    message: string,
  ) {
    super(message);
  }

  get body(): object {
    return { status: 'error', message: this.message, data: null, error_type: this.type };
  }
}

export const tokenError = (message: string): KiteError => new KiteError(403, 'TokenException', message);
export const inputError = (message: string): KiteError => new KiteError(400, 'InputException', message);
export const tooMany = (): KiteError => new KiteError(429, 'NetworkException', 'Too many requests');
