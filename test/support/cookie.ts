import type { Response } from 'supertest';

/** The one cookie that an answer sets, its attributes in lower case; an attribute without a value is `true`. */
export function cookieOf({ headers }: Response): {
  name: string;
  value: string;
  attributes: Record<string, string | true>;
} {
  const all = headers['set-cookie'] as unknown as string[];
  expect(all).toHaveLength(1);
  const [pair, ...rest] = all[0]!.split('; ').map((part) => part.split('=', 2) as [string, string?]);
  return {
    name: pair![0],
    value: pair![1] ?? '',
    attributes: Object.fromEntries(rest.map(([name, value]) => [name.toLowerCase(), value ?? true])),
  };
}
