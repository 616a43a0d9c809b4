import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { IsEmailAddress } from './is-email-address.decorator';

class Contact {
  @IsEmailAddress()
  email!: unknown;
}

const contact = (email: unknown): Contact => plainToInstance(Contact, { email });

describe('IsEmailAddress', () => {
  it('hands on the form in which addresses are compared', () => {
    const { email } = contact(' Asha@Example.COM ');
    expect(email).toBe('asha@example.com');
    expect(validateSync(contact(' Asha@Example.COM '))).toEqual([]);
  });

  it.each([
    '"asha rao"@example.com',
    '"asha"@example.com',
    'asha@[203.0.113.7]',
    'Asha <asha@example.com>',
    'asha@example.com, eve@example.com',
    'asha@example..com',
    '.asha@example.com',
    `${'a'.repeat(65)}@example.com`,
    undefined,
    null,
    { address: 'asha@example.com' },
  ])('refuses %j', (email) => {
    const [error] = validateSync(contact(email));
    expect(error?.constraints).toEqual({ isEmailAddress: 'email must be an e-mail address' });
  });
});
