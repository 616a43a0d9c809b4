/**
 * The one error type of the core. A feature declares its errors once, with `defineError`; a door maps `kind` to its
 * own protocol (HTTP: status code). `message` is public; whatever only an operator may see goes into `cause`.
 */
export type ErrorKind =
  | 'malformed'
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'too_large'
  | 'unsupported'
  | 'rate_limited'
  | 'internal'
  /** Somebody whom we asked on the caller's behalf answered what cannot be read. */
  | 'bad_answer'
  | 'unavailable';

/** One broken rule of one field, as the caller should see it. */
export interface FieldError {
  field: string;
  message: string;
}

export interface AppErrorDetails {
  /** What really happened; logged, never sent. */
  cause?: unknown;
  /** Broken rules, one entry each. */
  fields?: FieldError[];
  /** Seconds after which a retry makes sense (429, 503). */
  retryAfter?: number;
  /** A more exact public message than the default one. */
  message?: string;
  /** More public members of the reply, RFC 9457 section 3.2 (for example `methods`). */
  extra?: Record<string, unknown>;
}

export class AppError extends Error {
  readonly fields?: FieldError[];
  readonly retryAfter?: number;
  readonly extra?: Record<string, unknown>;

  constructor(
    readonly code: string,
    readonly kind: ErrorKind,
    message: string,
    details: AppErrorDetails = {},
  ) {
    super(details.message ?? message, { cause: details.cause });
    this.name = 'AppError';
    this.fields = details.fields;
    this.retryAfter = details.retryAfter;
    this.extra = details.extra;
  }
}

/** An error that a feature can raise: call it to make one, read it to document one. */
export interface ErrorDefinition {
  (details?: AppErrorDetails): AppError;
  readonly code: string;
  readonly kind: ErrorKind;
  readonly message: string;
  /** What it adds to the reply (see `AppErrorDetails.extra`), as an example. */
  readonly extra?: Record<string, unknown>;
}

const defined = new Map<string, ErrorDefinition>();

/** Declares an error. Its code is public and stable, so a second declaration of the same code is a programming error. */
export function defineError(
  code: string,
  kind: ErrorKind,
  message: string,
  extra?: Record<string, unknown>,
): ErrorDefinition {
  if (defined.has(code)) throw new Error(`error code ${code} is declared twice`);
  const make = (details?: AppErrorDetails): AppError => new AppError(code, kind, message, details);
  const definition = Object.assign(make, { code, kind, message, extra });
  defined.set(code, definition);
  return definition;
}

/** Every declared error, for the OpenAPI document and the README's table. */
export function definedErrors(): ErrorDefinition[] {
  return [...defined.values()].sort((a, b) => a.code.localeCompare(b.code));
}
