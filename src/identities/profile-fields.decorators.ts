import { applyDecorators } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { isTimeZone, isURL, Matches, ValidateBy } from 'class-validator';
import { parsedUrl } from '../common/parsed-url';
import { IsText } from '../common/is-text.decorator';

const rule = (name: string, validate: (value: unknown) => boolean, message: string): PropertyDecorator =>
  ValidateBy({ name, validator: { validate, defaultMessage: () => `$property ${message}` } });

/** A person's name: 1 to 255 characters on one line, not all of them blank. */
export const IsName = (): PropertyDecorator =>
  applyDecorators(
    IsText({ min: 1, max: 255 }),
    rule('isOneLine', isOneLine, 'must be one line and not blank'),
  );

/** E.164: a plus and up to 15 digits. */
export const IsPhone = (): PropertyDecorator =>
  applyDecorators(
    Matches(/^\+[1-9]\d{1,14}$/, { message: '$property must be an E.164 number such as +919876543210' }),
    ApiProperty({
      example: '+919876543210',
      description: 'E.164',
      type: String,
      nullable: true,
      required: false,
    }),
  );

/** A name of the IANA time zone database. */
export const IsIanaTimezone = (): PropertyDecorator =>
  rule(
    'isIanaTimezone',
    (value) => typeof value === 'string' && /^[A-Z]/i.test(value) && value.length <= 64 && isTimeZone(value),
    'must be an IANA time zone such as Asia/Kolkata',
  );

/** A BCP 47 language tag. */
export const IsLocaleTag = (): PropertyDecorator =>
  rule('isLocaleTag', isLocaleTag, 'must be a BCP 47 language tag such as en-US');

/** An https URL without credentials. */
export const IsHttpsUrl = (): PropertyDecorator =>
  applyDecorators(IsText({ max: 2048 }), rule('isHttpsUrl', isHttpsUrl, 'must be an https URL'));

// Line breaks and invisible characters would let a name write whole paragraphs into mails and logs.
const isOneLine = (value: unknown): boolean =>
  typeof value !== 'string' || (/\S/.test(value) && !/[\p{C}\p{Zl}\p{Zp}]/u.test(value));

function isHttpsUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !isURL(value, { protocols: ['https'], require_protocol: true }))
    return false;
  const url = parsedUrl(value);
  return url?.protocol === 'https:' && url.username === '' && url.password === '';
}

function isLocaleTag(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > 35) return false;
  try {
    return Intl.getCanonicalLocales(value).length === 1;
  } catch {
    return false;
  }
}
