import { AppError } from './app-error';

/** What an error says to an operator: the message for callers keeps the cause to itself. */
export function operatorMessage(error: unknown): string {
  if (error instanceof AppError && error.cause instanceof Error) {
    return `${error.message} (${error.cause.message})`;
  }
  return error instanceof Error ? error.message : String(error);
}
