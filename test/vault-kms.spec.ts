import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Clock } from '../src/common/clock';
import { IntegrityError } from '../src/infra/kms/integrity-error';
import { VaultKms } from '../src/infra/kms/vault-kms';
import { unpackWrapped } from '../src/infra/kms/wrapped-secret';
import { eventually } from './support/app';
import { Trouble } from './support/faulty-server';
import { expectUnavailable, expectWithout } from './support/kms-failures';
import { openVault, RemoteOptions } from './support/remote-kms';
import { startVault, VaultFault, VaultServer } from './support/vault-server';

const CONTEXT = 'trading-account:0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
const SECRET = Buffer.from('a data key of thirty-two bytes!!');
const TIMEOUT_MS = 700;
const PATIENT = { KMS_TIMEOUT_MS: '10000' };

const folder = mkdtempSync(join(tmpdir(), 'user-service-vault-'));
const file = join(folder, 'token');
const opened: VaultKms[] = [];
let vault: VaultServer;
let kms: VaultKms;
/** For what must not end because the machine is busy. */
let patient: VaultKms;
let wrapped: Buffer;

const open = (settings: Record<string, string> = {}, more: RemoteOptions = {}): VaultKms => {
  const all = { KMS_TIMEOUT_MS: String(TIMEOUT_MS), ...settings };
  opened.push(openVault(vault, 'one', { settings: all, ...more }));
  return opened.at(-1)!;
};

beforeAll(async () => {
  vault = await startVault();
});
beforeEach(async () => {
  vault.heal();
  kms = open();
  patient = open(PATIENT);
  wrapped = await patient.wrap(SECRET, CONTEXT);
  vault.asked.length = 0;
});
afterEach(() => opened.splice(0).forEach((each) => each.onApplicationShutdown()));
afterAll(async () => {
  await vault.stop();
  rmSync(folder, { recursive: true });
});

/** The renewal of the token with which the secret was wrapped comes when it comes. */
const askedOfKeys = (): string[] => vault.asked.filter((question) => !question.endsWith('/renew-self'));

const secrets = (): string[] => [...vault.secrets, SECRET.toString(), SECRET.toString('base64')];

const expectFailure = (asked: Promise<unknown>, cause: RegExp): Promise<number> =>
  expectUnavailable(asked, cause, { milliseconds: TIMEOUT_MS, secrets: secrets() });

describe('VaultKms, when Vault is in trouble', () => {
  it.each<[VaultFault | Trouble, RegExp]>([
    ['sealed', /^Vault answered 503 sealed$/],
    ['throttled', /^Vault answered 429$/],
    ['internal', /^Vault answered 500$/],
    ['behind', /^Vault answered 412$/],
    ['html', /^Vault answered 502$/],
    ['redirect', /^Vault answered 307$/],
    ['rubbish', /^Vault answered what cannot be understood$/],
    ['empty', /^Vault answered what cannot be understood$/],
    ['endless', /^Vault answered too much$/],
    ['disconnect', /^Vault: (UND_ERR_SOCKET|ECONNRESET)/],
    ['hang', /^Vault took longer than 700 ms$/],
  ])('is unavailable in time and says why: %s', async (fault, cause) => {
    vault.fail(fault);
    // Nobody would wait for as long as a Vault that throttles says.
    const asking = fault === 'hang' || fault === 'throttled' ? kms : patient;
    const asked = [
      asking.unwrap(wrapped, CONTEXT),
      asking.wrap(SECRET, CONTEXT),
      asking.currentVersion(),
      asking.rotate(),
    ];
    await Promise.all(asked.map((each) => expectFailure(each, cause)));
    expect(vault.asked.filter((question) => question.includes('elsewhere'))).toEqual([]);
    vault.heal();
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it('is unavailable while nothing listens there, and works once it does', async () => {
    await vault.down();
    await expectFailure(patient.unwrap(wrapped, CONTEXT), /ECONNREFUSED/).finally(() => vault.up());
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it.each<VaultFault | Trouble>(['sealed', 'internal', 'behind', 'disconnect', 'html'])(
    'tries again a few times: %s',
    async (fault) => {
      vault.fail(fault, 2, /decrypt/);
      expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
      expect(vault.asked.filter((question) => question.includes('decrypt'))).toHaveLength(3);
    },
  );

  it('asks no sooner than Vault says, and passes on when', async () => {
    vault.fail('throttled');
    expect(await expectFailure(kms.unwrap(wrapped, CONTEXT), /429/)).toBe(3);
    expect(askedOfKeys()).toHaveLength(1);
  });

  it('tells damage from trouble, however Vault numbers it', async () => {
    await expect(patient.unwrap(wrapped, 'trading-account:another')).rejects.toThrow(IntegrityError);
    vault.fail('no_auth_500');
    await expect(patient.unwrap(wrapped, CONTEXT)).rejects.toThrow(IntegrityError);
    vault.fail('sealed');
    await expectFailure(patient.unwrap(wrapped, 'trading-account:another'), /sealed/);
  });

  it('asks again for a version of which a stand-by has not heard, and then takes it for trouble', async () => {
    const standBy = () => vault.asked.filter((question) => question.includes('decrypt')).length;
    vault.fail('lagging', 2, /decrypt/);
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
    expect(standBy()).toBe(3);
    vault.fail('lagging');
    await expectFailure(patient.unwrap(wrapped, CONTEXT), /^Vault answered 400 version_too_new$/);
  });

  it('takes a version that the policy forbids for trouble: nothing is damaged', async () => {
    vault.rotateNow('one');
    vault.setMinDecryptionVersion('one', 2);
    try {
      await expectFailure(patient.unwrap(wrapped, CONTEXT), /^Vault answered 400 version_too_old$/);
    } finally {
      vault.setMinDecryptionVersion('one', 1);
    }
    expect(await patient.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it('says so where there is no such key', async () => {
    const lost = open({ ...PATIENT, KMS_MASTER_KEY_ID: 'mistyped' });
    await expectFailure(lost.wrap(SECRET, CONTEXT), /^Vault answered 400 key_not_found$/);
    await expectFailure(lost.currentVersion(), /^Vault answered 404$/);
  });

  it('wraps nothing with a Vault that passes over contexts', async () => {
    vault.ignoresAssociatedData = true;
    try {
      await expectFailure(open(PATIENT).wrap(SECRET, CONTEXT), /does not bind associated data/);
    } finally {
      vault.ignoresAssociatedData = false;
    }
  });

  it('takes version 0 for damage, which Vault takes for version 1', async () => {
    const zero = Buffer.from(wrapped);
    expect(unpackWrapped(wrapped).version).toMatch(/^\d$/);
    zero[2] = '0'.charCodeAt(0);
    await expect(patient.unwrap(zero, CONTEXT)).rejects.toThrow(IntegrityError);
    expect(askedOfKeys()).toEqual([]);
  });

  it('puts no secret into an address', async () => {
    await patient.wrap(SECRET, CONTEXT);
    await patient.unwrap(wrapped, CONTEXT);
    await patient.rotate();
    expect(vault.asked.length).toBeGreaterThan(3);
    expectWithout(vault.asked.join(), secrets());
  });
});

describe('The token for Vault', () => {
  it('is read again when its file changes', async () => {
    const [first, second] = [vault.newToken(), vault.newToken()];
    writeFileSync(file, `${first}\n`);
    const reading = open({ ...PATIENT, VAULT_TOKEN_FILE: file });
    expect(await reading.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
    writeFileSync(`${file}.new`, second);
    renameSync(`${file}.new`, file);
    vault.revoke(first);
    vault.asked.length = 0;
    expect(await reading.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
    expect(vault.asked.filter((question) => question.includes('decrypt'))).toHaveLength(1);
  });

  it('is looked up once more when Vault refuses it, and Vault is asked again only with another', async () => {
    const token = vault.newToken();
    writeFileSync(file, token);
    const reading = open({ ...PATIENT, VAULT_TOKEN_FILE: file });
    await reading.unwrap(wrapped, CONTEXT);
    vault.revoke(token);
    vault.asked.length = 0;
    await expectFailure(reading.unwrap(wrapped, CONTEXT), /^Vault answered 403$/);
    expect(vault.asked.filter((question) => question.includes('decrypt'))).toHaveLength(1);
    writeFileSync(file, vault.newToken());
    expect(await reading.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it('is not believed for ever: revoked, it makes us unavailable', async () => {
    const token = vault.newToken();
    const fixed = open({ ...PATIENT, VAULT_TOKEN: token });
    await fixed.unwrap(wrapped, CONTEXT);
    vault.revoke(token);
    await expectFailure(fixed.unwrap(wrapped, CONTEXT), /^Vault answered 403$/);
  });

  it.each(['', 'two words', 'hvs.\nX-Other: injected', 'x'.repeat(5000), 'hvs.ü'])(
    'is not shown where a file holds something else: %j',
    async (content) => {
      writeFileSync(file, content);
      const error = expectFailure(
        open({ ...PATIENT, VAULT_TOKEN_FILE: file }).unwrap(wrapped, CONTEXT),
        /^VAULT_TOKEN_FILE holds no token for Vault$/,
      );
      await error;
      expect(askedOfKeys()).toEqual([]);
    },
  );

  it('may come later than the service', async () => {
    rmSync(file, { force: true });
    const waiting = open({ ...PATIENT, VAULT_TOKEN_FILE: file });
    await expectFailure(waiting.unwrap(wrapped, CONTEXT), /^VAULT_TOKEN_FILE cannot be read$/);
    writeFileSync(file, vault.newToken());
    expect(await waiting.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });

  it('is renewed before it ends, again and again', async () => {
    const renewals = (): number => vault.asked.filter((question) => question.includes('renew-self')).length;
    const renewing = open({ ...PATIENT, VAULT_TOKEN: vault.newToken(2) });
    await renewing.unwrap(wrapped, CONTEXT);
    await eventually(async () => renewals() >= 2, 'the second renewal');
  });

  it('is used on where Vault does not renew it', async () => {
    const fixed = open({ ...PATIENT, VAULT_TOKEN: vault.newToken(600, false) });
    await fixed.unwrap(wrapped, CONTEXT);
    await eventually(async () => vault.asked.some((question) => question.includes('renew-self')), 'a try');
    expect(await fixed.unwrap(wrapped, CONTEXT)).toEqual(SECRET);
  });
});

describe('The version of a key in Vault', () => {
  it('is asked for once a minute, and follows rotations that we did not make', async () => {
    const clock = new Clock();
    const now = Date.now();
    clock.now = () => now;
    const asking = open(PATIENT, { clock });
    const version = await asking.currentVersion();
    vault.rotateNow('one');
    expect(await asking.currentVersion()).toBe(version);
    clock.now = () => now + 61_000;
    expect(await asking.currentVersion()).toBe(String(Number(version) + 1));
    expect(vault.asked.filter((question) => question.startsWith('GET'))).toHaveLength(2);
  });

  it('is asked for again where the clock was moved back', async () => {
    const clock = new Clock();
    const now = Date.now();
    clock.now = () => now;
    const asking = open(PATIENT, { clock });
    const version = await asking.currentVersion();
    clock.now = () => now - 3_600_000;
    vault.rotateNow('one');
    expect(await asking.currentVersion()).toBe(String(Number(version) + 1));
  });

  it('is never rotated twice because an answer was lost', async () => {
    vault.fail('disconnect', 1, /rotate/);
    await expectFailure(patient.rotate(), /^Vault: /);
    expect(vault.asked.filter((question) => question.endsWith('/rotate'))).toHaveLength(1);
  });
});
