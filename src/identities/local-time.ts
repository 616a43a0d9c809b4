import type { User } from './user.entity';

/** A moment as an account's owner writes it. @param at RFC 3339. */
export const localTime = (at: string, { locale, timezone }: Pick<User, 'locale' | 'timezone'>): string =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'long', timeZone: timezone }).format(
    new Date(at),
  );
