import { decodeProtectedHeader } from 'jose';
import { SealDays } from '../src/audit/seals/seal-days';
import { KeyRing } from '../src/tokens/key-ring';
import { SigningKeys } from '../src/tokens/signing-keys.service';
import { startService, TestService } from './support/app';
import { newKey, newServiceAccount, withKey } from './support/services';
import { AuditWorld, dayFromToday, verdict } from './support/audit-world';
import { eventually } from './support/event-world';
import { newAdministrator, newSignedIn, SignedIn } from './support/people';
import { expectInvalid, expectProblem } from './support/problem';

const SEALS = '/v1/audit/seals';

interface Page {
  seals: {
    day: string;
    first_position: number;
    last_position: number;
    head: string;
    kid: string;
    jws: string;
  }[];
  keys: { kid: string; revoked_at?: string }[];
  total: number;
  has_more: boolean;
}

describe('the seals', () => {
  let world: AuditWorld;
  let service: TestService;
  let administrator: SignedIn;

  beforeAll(async () => {
    world = await AuditWorld.create({ [-4]: 3, [-3]: 0, [-1]: 2 }, { sealed: false });
    const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, LOCAL_KMS_KEY_PATH } = world.config;
    const stores = { databaseUrl, redisUrl, drop: async () => undefined };
    service = await startService(
      { LOCAL_KMS_KEY_PATH, DATABASE_QUERY_TIMEOUT_MS: '5000', DATABASE_POOL_TIMEOUT: '5' },
      stores,
    );
    administrator = await newAdministrator(service);
  }, 60_000);
  afterAll(async () => {
    await service.stop();
    await world.remove();
  });

  const list = async (query = ''): Promise<Page> =>
    (
      await service
        .client()
        .get(SEALS + query, administrator.accessToken)
        .expect(200)
    ).body as Page;

  it('are made by the service for every day that is over, days without events too, and none of today', async () => {
    await eventually(async () => (await list()).total === 4);
    const { seals } = await list();
    expect(seals.map((seal) => [seal.day, seal.first_position, seal.last_position])).toEqual([
      [dayFromToday(-1), 4, 5],
      [dayFromToday(-2), 4, 3],
      [dayFromToday(-3), 4, 3],
      [dayFromToday(-4), 1, 3],
    ]);
    expect(seals[1]!.head).toBe(seals[3]!.head);
    expect(decodeProtectedHeader(seals[0]!.jws)).toEqual({
      alg: 'RS256',
      typ: 'audit-seal+jwt',
      kid: seals[0]!.kid,
    });
    expect(verdict(await world.verify())).toBe('as it was');
  });

  it('are shown newest first, in pages, each with every key', async () => {
    const { keys, seals, ...page } = await list('?limit=1&offset=3');
    expect(page).toEqual({ total: 4, limit: 1, offset: 3, has_more: false });
    expect(seals.map((seal) => seal.day)).toEqual([dayFromToday(-4)]);
    expect(keys).toEqual([
      { kty: 'RSA', use: 'sig', alg: 'RS256', kid: seals[0]!.kid, n: expect.any(String), e: 'AQAB' },
    ]);
    expect((await list('?limit=1')).has_more).toBe(true);
    await expectInvalid(service.client().get(`${SEALS}?limit=201`, administrator.accessToken), 'limit');
  });

  it('are for those who may read the audit, with a session or an API key', async () => {
    await expectProblem(service.client().get(SEALS), 401, 'not_authenticated');
    const somebody = await newSignedIn(service);
    await expectProblem(service.client().get(SEALS, somebody.accessToken), 403, 'permission_denied');
    const account = await newServiceAccount(service, 'audit:read');
    const { apiKey } = await newKey(service, administrator, account, ['audit:read']);
    await withKey(service.client().get(SEALS), apiKey).expect(200);
  });

  it('are signed with a key that no verifier of tokens is told of, and that is never retired', async () => {
    const { body } = await service.client().get('/.well-known/jwks.json').expect(200);
    const { kid } = (await list()).keys[0]!;
    expect((body.keys as { kid: string }[]).map((key) => key.kid)).not.toContain(kid);
    await service.app.get(SigningKeys).rotate({ use: 'audit', immediately: true });
    await service.app.get(KeyRing).load();
    const years = Date.now() + 20 * 365 * 86_400_000;
    const statuses = async (): Promise<string[]> =>
      (await service.app.get(SigningKeys).list())
        .filter(({ use }) => use === 'audit')
        .map(({ status }) => status);
    expect(await statuses()).toEqual(['active', 'retiring']);
    service.advance(years - Date.now());
    expect(await statuses()).toEqual(['active', 'retiring']);
    service.advance(Date.now() - years);
    expect((await list()).keys).toHaveLength(2);
  });

  it('name a key that was revoked, and believe what it had signed before', async () => {
    const [newest, oldest] = (await list()).keys;
    await service.app.get(SigningKeys).revoke(oldest!.kid);
    const { keys } = await list();
    expect(keys.map((key) => [key.kid, typeof key.revoked_at])).toEqual([
      [newest!.kid, 'undefined'],
      [oldest!.kid, 'string'],
    ]);
    expect(verdict(await world.verify())).toBe('as it was');
  });

  it('are made once by many processes, each after the one before', async () => {
    await service.db.query(
      `SET session_replication_role = replica; DELETE FROM event_seals; SET session_replication_role = origin`,
    );
    const other = await service.another();
    try {
      const days = [service, other].map(({ app }) => app.get(SealDays));
      const made = await Promise.all(Array.from({ length: 20 }, (_, i) => days[i % 2]!.run()));
      // The services' own schedule may have been first.
      expect(made.flat().length).toBeLessThanOrEqual(4);
      expect((await list()).total).toBe(4);
      expect(verdict(await world.verify())).toBe('as it was');
    } finally {
      await other.stop();
    }
  });

  it('close the days before today: nothing is linked into them any more', async () => {
    await service.db.query(`UPDATE event_relay SET chain_day = '2000-01-01'`);
    await service.app.get(SealDays).run();
    const [relay] = await service.db.query<{ day: string }[]>(
      'SELECT chain_day::text AS day FROM event_relay',
    );
    expect(relay!.day).toBe(dayFromToday(0));
  });

  const unguarded = (sql: string): Promise<unknown> =>
    service.db.query(`SET session_replication_role = replica; ${sql}; SET session_replication_role = origin`);

  it('are not made with a key that was revoked while a process still held it', async () => {
    const { kid } = service.app.get(KeyRing).signer('audit');
    const revoke = (at: string): Promise<unknown> =>
      service.db.query(`UPDATE signing_keys SET revoked_at = ${at} WHERE kid = $1`, [kid]);
    await unguarded('DELETE FROM event_seals');
    await revoke('now()');
    // The ring may just have read the keys again.
    await expect(service.app.get(SealDays).run()).rejects.toThrow(/was revoked|no active key/);
    expect((await list()).total).toBe(0);
    await revoke('NULL');
    await service.app.get(KeyRing).load();
    expect(await service.app.get(SealDays).run()).toHaveLength(4);
  });

  it('are never made of a day to come, wherever the chain was put, and the verification tells', async () => {
    await unguarded(`DELETE FROM event_seals; UPDATE event_relay SET chain_day = '${dayFromToday(3)}'`);
    expect((await service.app.get(SealDays).run()).at(-1)).toBe(dayFromToday(-1));
    const { first } = (await world.verify()).findings;
    expect([first?.kind, first?.day]).toEqual(['seal', dayFromToday(3)]);
    await unguarded(
      `UPDATE event_relay SET chain_day = '${dayFromToday(0)}';
       INSERT INTO event_seals SELECT '${dayFromToday(3)}', first_position, last_position, head, kid, jws, sealed_at
       FROM event_seals WHERE day = '${dayFromToday(-1)}'`,
    );
    await expect(service.app.get(SealDays).run()).rejects.toThrow('which is not over');
    await unguarded(`DELETE FROM event_seals WHERE day = '${dayFromToday(3)}'`);
  });

  it('are not made again where one was taken away, and not for a chain that does not go on', async () => {
    await unguarded(`DELETE FROM event_seals WHERE day = '${dayFromToday(-3)}'`);
    expect(await service.app.get(SealDays).run()).toEqual([]);
    await unguarded(
      `DELETE FROM event_seals WHERE day >= '${dayFromToday(-4)}'; DELETE FROM event_chain WHERE position = 1`,
    );
    await expect(service.app.get(SealDays).run()).rejects.toThrow('begin at position 2, not at 1');
    expect((await list()).total).toBe(0);
  });
});
