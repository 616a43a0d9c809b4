import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import { Maybe } from './maybe.decorator';

/** Deeper pages cost what all the pages before them cost. */
export const MAX_OFFSET = 10_000;

/** A whole number of a query. `Number` alone would take an empty text, blanks, hexadecimal and exponents for one. */
const IsWholeNumber = (least: number, most: number): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
    ),
    IsInt({ message: '$property must be a whole number' }),
    Min(least, { message: `$property must not be less than ${least}` }),
    Max(most, { message: `$property must not be greater than ${most}` }),
  );

/** Which part of a listing. */
export class PageQuery {
  @ApiPropertyOptional({ default: 50, minimum: 1, maximum: 200 })
  @Maybe()
  @IsWholeNumber(1, 200)
  limit: number = 50;

  @ApiPropertyOptional({ default: 0, minimum: 0, maximum: MAX_OFFSET, description: 'How many to pass over' })
  @Maybe()
  @IsWholeNumber(0, MAX_OFFSET)
  offset: number = 0;
}
