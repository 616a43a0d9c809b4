import { Logger } from '@nestjs/common';
import { randomBytes } from 'node:crypto';
import { KMS, Kms } from '../src/infra/kms/kms';
import { Rewrap } from '../src/infra/kms/rewrap.service';
import { packWrapped, unpackWrapped } from '../src/infra/kms/wrapped-secret';
import { startService, TestService } from './support/app';
import { Authenticator, beginSignIn, newGuarded, setUpTotp } from './support/authenticator';
import { newAdministrator, newSignedIn, signIn, SignedIn } from './support/people';
import { expectProblem } from './support/problem';
import { addWrappedRows, setWrapped, wrappedOf } from './support/wrapped-rows';

let service: TestService;
let member: SignedIn;
let phone: Authenticator;
let backupCodes: string[];

beforeAll(async () => {
  Logger.overrideLogger(false);
  service = await startService();
  ({ member, phone, backupCodes } = await newGuarded(service));
});
afterAll(() => service.stop());

const eventsAbout = (table: string, id: string): Promise<unknown[]> =>
  service.db.query(
    `SELECT actor, priority, data FROM events WHERE event_type = 'secret.integrity_failed' AND subject = $1`,
    [`${table}:${id}`],
  );
const told = (kind: string) => ({ actor: 'system', priority: 'critical', data: { kind } });
const rowOf = ({ userId }: SignedIn) => ({ kind: 'totp_factors' as const, id: userId });
const verify = (mfa_token: string, code: string) =>
  service.client().post('/v1/auth/mfa/verify', { mfa_token, code });

describe("A second factor in the place of somebody else's", () => {
  it('proves nothing, is told as such, and recorded once an hour', async () => {
    const thief = await newGuarded(service);
    await setWrapped(service, rowOf(member), await wrappedOf(service, rowOf(thief.member)));
    const mfaToken = await beginSignIn(service, member.person);
    for (const code of [thief.phone.code(1), phone.code(1), backupCodes[0]!])
      await expectProblem(verify(mfaToken, code), 409, 'second_factor_damaged');
    for (const [path, more] of [
      ['totp/verify', {}],
      ['totp/disable', { password: member.person.password }],
      ['backup-codes/regenerate', {}],
    ] as const) {
      const asked = service
        .client()
        .post(`/v1/mfa/${path}`, { code: phone.code(1), ...more }, member.accessToken);
      await expectProblem(asked, 409, 'second_factor_damaged');
    }
    expect(await eventsAbout('totp_factors', member.userId)).toEqual([told('totp')]);
    service.advance(3_601_000);
    const later = await beginSignIn(service, member.person);
    await Promise.all(
      Array.from({ length: 4 }, () =>
        expectProblem(verify(later, phone.code(1)), 409, 'second_factor_damaged'),
      ),
    );
    expect(await eventsAbout('totp_factors', member.userId)).toHaveLength(2);
  });

  it('is taken off by an administrator, and the password is enough to begin anew', async () => {
    const admin = await newAdministrator(service);
    await service.client().post(`/v1/users/${member.userId}/mfa/reset`, {}, admin.accessToken).expect(200);
    const again = await signIn(service, member.person);
    await setUpTotp(service, again);
  });

  it('is none while it waits to be confirmed: another has to be set up', async () => {
    const [asha, other] = [await newSignedIn(service), await newSignedIn(service)];
    const phones = [await setUpTotp(service, asha), await setUpTotp(service, other)] as const;
    const key = ({ userId }: SignedIn): string => `totp-setup:{${userId}}`;
    await service.redis.set(key(asha), (await service.redis.get(key(other)))!);
    const enable = (code: string) => service.client().post('/v1/mfa/totp/enable', { code }, asha.accessToken);
    await expectProblem(enable(phones[1].code()), 409, 'mfa_setup_required');
    expect(await eventsAbout('totp_factors', asha.userId)).toEqual([told('totp')]);
    await enable((await setUpTotp(service, asha)).code()).expect(200);
  });

  it('is no damage where only the key is not here: the same code is good once it is', async () => {
    const guarded = await newGuarded(service);
    const row = rowOf(guarded.member);
    const before = await wrappedOf(service, row);
    await setWrapped(service, row, packWrapped({ version: '77', body: randomBytes(60) }));
    const mfaToken = await beginSignIn(service, guarded.member.person);
    const code = guarded.phone.code(1);
    await expectProblem(verify(mfaToken, code), 503, 'unavailable');
    expect(await eventsAbout('totp_factors', row.id)).toEqual([]);
    await setWrapped(service, row, before);
    await verify(mfaToken, code).expect(200);
  });
});

describe('A re-wrapping that meets what is damaged', () => {
  it('records each row once an hour, whatever it is', async () => {
    const kms = service.app.get<Kms>(KMS);
    const rewrap = service.app.get(Rewrap);
    const rows = [];
    for (const kind of ['signing_keys', 'totp_factors', 'trading_accounts', 'webhooks'] as const)
      rows.push(...(await addWrappedRows(service, kms, kind, 1)));
    for (const row of rows) await setWrapped(service, row, (await wrappedOf(service, row)).subarray(0, -1));
    await kms.rotate();
    for (let run = 0; run < 2; run++) expect((await rewrap.run()).damaged.size).toBe(4);
    const [key, factor, account, webhook] = await Promise.all(
      rows.map(({ kind, id }) => eventsAbout(kind, id)),
    );
    expect(key).toEqual([told('signing_key')]);
    expect(factor).toEqual([told('totp')]);
    expect(account).toEqual([told('data_key')]);
    expect(webhook).toEqual([told('webhook_secret')]);
    service.advance(3_601_000);
    await rewrap.run();
    for (const { kind, id } of rows) expect(await eventsAbout(kind, id)).toHaveLength(2);
  });

  it('passes over signing keys that are revoked: nobody needs them any more', async () => {
    const kms = service.app.get<Kms>(KMS);
    const rewrap = service.app.get(Rewrap);
    await rewrap.run();
    const [row] = await addWrappedRows(service, kms, 'signing_keys', 1);
    const damaged = (await wrappedOf(service, row!)).subarray(0, -1);
    await setWrapped(service, row!, damaged);
    await service.db.query('UPDATE signing_keys SET revoked_at = now() WHERE kid = $1', [row!.id]);
    await kms.rotate();
    const result = await rewrap.run();
    expect([...result.damaged]).not.toContain(`signing_keys ${row!.id}`);
    expect(await eventsAbout('signing_keys', row!.id)).toEqual([]);
    expect(await wrappedOf(service, row!)).toEqual(damaged);
    // Nor does it keep an old version of the master key.
    const keys = (await rewrap.counts()).filter(({ table }) => table === 'signing_keys');
    expect(keys.map(({ version }) => version)).not.toContain(unpackWrapped(damaged).version);
  });
});
