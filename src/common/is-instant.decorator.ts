import { ValidateBy } from 'class-validator';

const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;

/** A moment as RFC 3339 writes it: with its offset, or it would be another moment elsewhere. */
export const IsInstant = (): PropertyDecorator =>
  ValidateBy({
    name: 'isInstant',
    validator: {
      validate: (value) => typeof value === 'string' && parseInstant(value) !== null,
      defaultMessage: () => '$property must be an RFC 3339 time with an offset, such as 2026-11-22T09:30:00Z',
    },
  });

/** Null where the text is no RFC 3339 time, or its day is not in the calendar. A leap second is refused. */
export function parseInstant(text: string): Date | null {
  const [, year, month, day] = RFC_3339.exec(text) ?? [];
  if (year === undefined || month === undefined || day === undefined) return null;
  // JavaScript would make 2 March of 30 February.
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  if (Number.isNaN(date.getTime()) || date.getUTCDate() !== Number(day)) return null;
  const moment = new Date(text.toUpperCase());
  // An offset can reach a year that RFC 3339 has no four digits for.
  const utcYear = moment.getUTCFullYear();
  return utcYear >= 0 && utcYear <= 9999 ? moment : null;
}
