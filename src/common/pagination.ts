import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, Max, Min } from 'class-validator';
import { Maybe } from './maybe.decorator';

/** Deeper pages cost what all the pages before them cost. */
export const MAX_OFFSET = 10_000;

/**
 * A whole number of a query. `Number` alone would take an empty text, blanks, hexadecimal and exponents for one.
 * @param instead what to do rather than ask for more.
 */
export const IsWholeNumber = (least: number, most: number, instead?: string): PropertyDecorator =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
    ),
    IsInt({ message: '$property must be a whole number' }),
    Min(least, { message: `$property must not be less than ${least}` }),
    Max(most, {
      message: [`$property must not be greater than ${most}`, instead].filter(Boolean).join(': '),
    }),
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

/** What every listing answers beside its `items`. */
export class PageReply {
  @ApiProperty({ example: 1, description: 'On all pages' })
  total!: number;

  @ApiProperty({ example: 50 })
  limit!: number;

  @ApiProperty({ example: 0 })
  offset!: number;

  @ApiProperty({ example: false })
  has_more!: boolean;
}

/** @param items of this page. @param total on all pages. */
export function pageOf<T>(
  items: T[],
  total: number,
  { limit, offset }: PageQuery,
): PageReply & { items: T[] } {
  return { items, total, limit, offset, has_more: offset + items.length < total };
}
