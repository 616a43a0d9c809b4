import { validationFailed } from '../../common/common.errors';
import { parseInstant } from '../../common/is-instant.decorator';

/**
 * The times between which events are asked for.
 * @param query valid RFC 3339 times.
 * @throws validation_failed where nothing can lie between them.
 */
export function timeRange({ start_date, end_date }: { start_date?: string; end_date?: string }): {
  from?: Date;
  to?: Date;
} {
  const from = moment(start_date);
  const to = moment(end_date);
  if (from !== undefined && to !== undefined && from >= to) {
    throw validationFailed({ fields: [{ field: 'end_date', message: 'end_date must be after start_date' }] });
  }
  return { from, to };
}

const moment = (text: string | undefined): Date | undefined =>
  text === undefined ? undefined : (parseInstant(text) ?? undefined);
