import {
  Broker,
  BrokerApp,
  BrokerFailure,
  BrokerFailureKind,
} from '../../src/trading-accounts/brokers/broker';

/** Trouble that a stand-in for any broker can make. */
export type BrokerTrouble =
  'none' | 'down' | 'slow' | 'limited' | 'rubbish' | 'server_error' | 'html' | 'endless' | 'reset';

/** An adapter with the stand-in that it talks to. */
export interface BrokerWorld {
  broker: Broker;
  /** Of a call, with its retries. */
  timeoutMs: number;
  newApp(): BrokerApp;
  /** A request token, as a login in the browser gives. */
  login(app: BrokerApp, userId: string): string;
  /** Ends every session, as the broker does. */
  endSessions(): void;
  trouble(kind: BrokerTrouble): void;
  /** How many requests have reached it. */
  requests(): number;
  stop(): Promise<void>;
}

const OUTCOMES: [BrokerTrouble, BrokerFailureKind][] = [
  ['down', 'unavailable'],
  ['reset', 'unavailable'],
  ['slow', 'unavailable'],
  ['limited', 'unavailable'],
  ['server_error', 'unavailable'],
  ['rubbish', 'bad_answer'],
  ['html', 'bad_answer'],
  ['endless', 'bad_answer'],
];

/** What whoever calls a broker relies on, whichever it is. */
export function brokerContract(name: string, make: () => Promise<BrokerWorld>): void {
  describe(`A broker: ${name}`, () => {
    let world: BrokerWorld;
    let app: BrokerApp;
    beforeEach(async () => {
      world = await make();
      app = world.newApp();
    });
    afterEach(() => world.stop());

    const open = (userId = 'AB1234') => world.broker.exchange(app, world.login(app, userId));
    const loginOf = ({ accessToken }: { accessToken: string }) => ({ apiKey: app.apiKey, accessToken });

    it('names itself as the API does, and says how long a call can take', () => {
      expect(world.broker.name).toBe(name);
      expect(world.broker.longestCallMs).toBe(world.timeoutMs);
    });

    it('sends the owner to a login that brings back what it was given, and tells no secret', () => {
      const returned = { trading_account_id: '0192f0a4-7b11-7d20-9c55-2f6f0f3f7a10', odd: 'a b&c=d#é' };
      const url = new URL(world.broker.loginUrl(app.apiKey, returned));
      expect(url.protocol).toMatch(/^https?:$/);
      expect(url.href).toContain(app.apiKey);
      expect(url.href).not.toContain(app.apiSecret);
      const carried = [...url.searchParams.values()].map((value) => [...new URLSearchParams(value)]);
      expect(carried).toContainEqual(Object.entries(returned));
    });

    it('exchanges a request token for a session of whoever has logged in', async () => {
      const session = await open('CD5678');
      expect(session).toEqual({ brokerUserId: 'CD5678', accessToken: expect.any(String) });
      expect(await world.broker.profile(loginOf(session))).toEqual({ brokerUserId: 'CD5678' });
    });

    it('takes a request token once, and only from its app', async () => {
      const token = world.login(app, 'AB1234');
      await expectFailure(world.broker.exchange(world.newApp(), token), 'session_over');
      await world.broker.exchange(app, token);
      await expectFailure(world.broker.exchange(app, token), 'session_over');
      await expectFailure(world.broker.exchange(app, 'made-up'), 'session_over');
    });

    it('refuses a wrong secret and an unknown app', async () => {
      const token = world.login(app, 'AB1234');
      await expectFailure(
        world.broker.exchange({ ...app, apiSecret: 'not-the-secret-of-this-app' }, token),
        'refused',
      );
      await expectFailure(world.broker.exchange({ ...app, apiKey: 'not-an-app' }, token), 'refused');
    });

    it('tells a session that is over', async () => {
      const login = loginOf(await open());
      world.endSessions();
      await expectFailure(world.broker.profile(login), 'session_over');
      await expectFailure(world.broker.profile({ ...login, accessToken: 'made-up' }), 'session_over');
    });

    it('ends a session; one that is over is no failure', async () => {
      const login = loginOf(await open());
      await world.broker.logout(login);
      await expectFailure(world.broker.profile(login), 'session_over');
      await expect(world.broker.logout(login)).resolves.toBeUndefined();
    });

    it.each([
      { apiKey: 'a b', accessToken: 'x' },
      { apiKey: 'a\r\nX-Evil: 1', accessToken: 'x' },
      { apiKey: 'key', accessToken: 'tökén-of-somebody' },
      { apiKey: 'key', accessToken: 'token\nof-somebody' },
      { apiKey: '', accessToken: '' },
    ])('survives credentials of any form: %j', async (login) => {
      const failure = await failureOf(world.broker.profile(login));
      expect(['refused', 'session_over']).toContain(failure.kind);
      await world.broker.logout(login).catch((error: unknown) => expect(error).toBeInstanceOf(BrokerFailure));
    });

    it('knows when a session that begins now ends by itself', () => {
      const from = new Date('2026-11-23T10:00:00Z');
      const hours = (world.broker.sessionEnd(from).getTime() - from.getTime()) / 3_600_000;
      expect(hours).toBeGreaterThan(0);
      expect(hours).toBeLessThanOrEqual(24 * 31);
    });

    describe.each(OUTCOMES)('while it is %s', (trouble, kind) => {
      it(`fails with ${kind} in time, tells no secret, and works again afterwards`, async () => {
        const session = await open();
        const token = world.login(app, 'AB1234');
        world.trouble(trouble);
        const calls = [
          () => world.broker.exchange(app, token),
          () => world.broker.profile(loginOf(session)),
          () => world.broker.logout(loginOf(session)),
        ];
        const begin = performance.now();
        const failures = await Promise.all(calls.map((call) => failureOf(call())));
        expect(performance.now() - begin).toBeLessThan(world.timeoutMs + 2_000);
        expect(failures.map((failure) => failure.kind)).toEqual([kind, kind, kind]);
        const told = failures.map(everythingIn).join('\n');
        for (const secret of [app.apiKey, app.apiSecret, token, session.accessToken])
          expect(told).not.toContain(secret);

        world.trouble('none');
        const next = await open();
        expect(await world.broker.profile(loginOf(next))).toEqual({ brokerUserId: 'AB1234' });
      });

      it('never tries an exchange twice', async () => {
        const token = world.login(app, 'AB1234');
        const before = world.requests();
        world.trouble(trouble);
        await expectFailure(world.broker.exchange(app, token), kind);
        expect(world.requests() - before).toBeLessThanOrEqual(1);
      });
    });

    it('tries a read again where there was no answer, and not where there was one', async () => {
      const login = loginOf(await open());
      const requestsDuring = async (trouble: BrokerTrouble): Promise<number> => {
        const before = world.requests();
        world.trouble(trouble);
        await failureOf(world.broker.profile(login));
        return world.requests() - before;
      };
      expect(await requestsDuring('server_error')).toBeGreaterThan(1);
      for (const trouble of ['limited', 'html', 'rubbish'] as const)
        expect(await requestsDuring(trouble)).toBe(1);
    });

    it('says when to come back, where the broker does', async () => {
      world.trouble('limited');
      const { details } = await failureOf(world.broker.profile({ apiKey: app.apiKey, accessToken: 'x' }));
      expect(details).toMatchObject({ because: 'limited', retryAfter: 2 });
    });
  });
}

export async function failureOf(call: Promise<unknown>): Promise<BrokerFailure> {
  const error = await call.then(
    (value) => {
      throw new Error(`no failure, but ${JSON.stringify(value)}`);
    },
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof BrokerFailure)) throw error;
  return error;
}

export async function expectFailure(call: Promise<unknown>, kind: BrokerFailureKind): Promise<void> {
  expect((await failureOf(call)).kind).toBe(kind);
}

/** All that a log of this error could show: messages, stacks, causes and whatever hangs on them. */
export function everythingIn(error: unknown): string {
  const seen: unknown[] = [];
  const parts: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) {
      parts.push(String(value));
      return;
    }
    if (seen.includes(value)) return;
    seen.push(value);
    for (const name of Object.getOwnPropertyNames(value)) visit((value as Record<string, unknown>)[name]);
    if (value instanceof Error) visit(value.message);
  };
  visit(error);
  return parts.join('\n');
}
