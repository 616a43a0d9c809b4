import { definedErrors } from '../common/app-error';
import { variables } from '../config/variables';
import { statusOf } from '../infra/http/problem';
import { markdownTable } from './markdown-table';

/** The parts of the README that come from the code, by the name of their marker. */
export function readmeTables(): Record<string, string> {
  return { 'error-codes': errorCodes(), configuration: configuration() };
}

/**
 * Fills what stands between `<!-- name -->` and `<!-- /name -->`.
 * @throws Error when a marker is missing.
 */
export function fillReadme(readme: string): string {
  return Object.entries(readmeTables()).reduce((text, [name, table]) => {
    const place = new RegExp(`(<!-- ${name} -->)[^]*?(<!-- /${name} -->)`);
    if (!place.test(text)) throw new Error(`README.md has no place for ${name}`);
    return text.replace(place, (_, open: string, close: string) => `${open}\n\n${table}\n\n${close}`);
  }, readme);
}

/** Every error that the modules loaded so far declare. */
function errorCodes(): string {
  return markdownTable(
    ['code', 'status', 'meaning'],
    definedErrors().map(({ code, kind, message }) => [`\`${code}\``, String(statusOf[kind]), message]),
  );
}

function configuration(): string {
  return markdownTable(
    ['variable', 'default', 'meaning'],
    Object.entries(variables).map(([name, { example, help }]) => [
      `\`${name}\``,
      example && `\`${example}\``,
      help,
    ]),
  );
}
