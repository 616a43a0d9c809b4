import { AppError } from '../common/app-error';
import { operatorMessage } from '../common/operator-message';

/** What to tell the operator: the message with every broken rule; of a refused connection at least its code. */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const rules = error instanceof AppError ? (error.fields ?? []) : [];
  const text = operatorMessage(error) || ('code' in error ? String(error.code) : error.name);
  return [text, ...rules.map(({ field, message }) => `  - ${field}: ${message}`)].join('\n');
}
