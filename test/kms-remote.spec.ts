import { Clock } from '../src/common/clock';
import { eventually, startService, TestService } from './support/app';
import { startAwsKms } from './support/aws-kms-server';
import { newGuarded, signInGuarded } from './support/authenticator';
import { FaultyServer } from './support/faulty-server';
import { HeardLog, listenToLog } from './support/heard-log';
import { expectWithout } from './support/kms-failures';
import { newSignedIn, signIn } from './support/people';
import { expectProblem } from './support/problem';
import { awsSettings, provideCredentials, vaultSettings } from './support/remote-kms';
import { startVault } from './support/vault-server';

/** Of the instance that is to feel the trouble. The other one must not feel a busy machine. */
const TIMEOUT_MS = 500;
const PATIENCE_MS = 15_000;

interface Place {
  server: FaultyServer<never> & { secrets: string[]; rotateNow(name: string): void };
  settings: Record<string, string>;
}

async function awsPlace(): Promise<Place> {
  const server = await startAwsKms();
  provideCredentials(server);
  server.newKey('users');
  return { server, settings: awsSettings(server, 'users') };
}

async function vaultPlace(): Promise<Place> {
  const server = await startVault();
  server.newKey('users');
  return { server, settings: { ...vaultSettings(server, 'users'), VAULT_TOKEN: server.newToken() } };
}

describe.each([
  ['AWS KMS', awsPlace],
  ['Vault', vaultPlace],
])('The service on %s', (_name, open) => {
  let place: Place;
  let service: TestService;
  let hasty: TestService;
  let log: HeardLog;

  beforeAll(async () => {
    place = await open();
    log = listenToLog();
    service = await startService({
      ...place.settings,
      KMS_TIMEOUT_MS: String(PATIENCE_MS),
      LOCAL_KMS_KEY_PATH: '/nowhere/master.key',
      LOG_LEVEL: 'trace',
      DEBUG: 'true',
    });
    hasty = await eventually(
      () => service.another({ KMS_TIMEOUT_MS: String(TIMEOUT_MS) }).catch(() => null),
      'an instance that has its keys in time',
      30_000,
    );
  }, 60_000);
  afterEach(() => place.server.heal());
  afterAll(async () => {
    await hasty.stop();
    await service.stop();
    await place.server.stop();
    log.stop();
  });

  const setUp = (token: string) => hasty.client().post('/v1/mfa/totp/setup', {}, token);

  it('signs people in, also with a second factor under an older version of the key, and so does another instance', async () => {
    const { member, phone } = await newGuarded(service);
    place.server.rotateNow('users');
    await signInGuarded(service, member.person, phone);
    const other = await service.another();
    // Codes are of a time.
    const [clock, ours] = [other.app.get(Clock), service.app.get(Clock)];
    clock.now = () => ours.now();
    try {
      await other.client().get('/v1/users/me', member.accessToken).expect(200);
      await signInGuarded(other, member.person, phone);
    } finally {
      await other.stop();
    }
  });

  it.each(['hang', 'rubbish', 'disconnect'] as const)(
    'goes on while the KMS is in trouble (%s), but for what needs it, and recovers',
    async (trouble) => {
      const asha = await newSignedIn(service);
      place.server.fail(trouble);
      const begin = performance.now();
      await expectProblem(setUp(asha.accessToken), 503, 'unavailable');
      expect(performance.now() - begin).toBeLessThan(10_000);
      const { body } = await hasty.client().get('/v1/auth/.well-known/jwks.json').expect(200);
      expect(body.keys.length).toBeGreaterThan(0);
      const again = await signIn(hasty, asha.person);
      await hasty.client().get('/v1/users/me', again.accessToken).expect(200);
      await newSignedIn(hasty);
      place.server.heal();
      await eventually(async () => (await setUp(asha.accessToken)).status === 200, 'recovery');
    },
  );

  it('answers within the deadline when many ask a KMS that hangs', async () => {
    const people = await Promise.all(Array.from({ length: 5 }, () => newSignedIn(service)));
    place.server.fail('hang');
    const begin = performance.now();
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        expectProblem(setUp(people[i % 5]!.accessToken), 503, 'unavailable'),
      ),
    );
    expect(performance.now() - begin).toBeLessThan(10_000);
  });

  it('does not start without the KMS, and says why', async () => {
    place.server.fail('disconnect');
    await expect(service.another()).rejects.toThrow(/signing key .* \((aws|vault)\), could not be asked for/);
  });

  it('has written down what went wrong, and no secret', () => {
    const said = [/(AWS KMS|Vault) took longer than 500 ms/, /ECONNRESET|UND_ERR_SOCKET|socket hang up/];
    expect(said.filter((words) => !words.test(log.text()))).toEqual([]);
    expectWithout(log.text(), place.server.secrets);
  });
});
