import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { newId } from '../src/common/ids';
import { signatureHeaders } from '../src/webhooks/sending/webhook-message';
import { eventually } from './support/app';
import { Subscriber } from './support/subscriber';
import { makeTestFolder } from './support/test-folder';

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;
const bytesOf = (secret: string): Buffer => Buffer.from(secret.slice('whsec_'.length), 'base64');

describe('The webhook receiver example', () => {
  const [secret, former] = [newSecret(), newSecret()];
  const folder = makeTestFolder();
  const inbox = join(folder, 'inbox.jsonl');
  let receiver: Subscriber;
  let url: string;

  async function start(): Promise<void> {
    receiver = new Subscriber('webhook-receiver.mjs', {
      WEBHOOK_SECRETS: `${secret},${former}`,
      PORT: '0',
      INBOX: inbox,
    });
    const port = await eventually(
      async () => /listening on (\d+)/.exec(receiver.output)?.[1],
      'the receiver',
    );
    url = `http://127.0.0.1:${port}/`;
  }
  beforeAll(start);
  afterAll(async () => {
    await receiver.end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  interface Delivery {
    id: string;
    body: string;
    headers: Record<string, string>;
  }

  /** As the `standardwebhooks` library signs it. */
  function delivery({ by = secret, at = Date.now(), id = newId(), name = 'Asha' } = {}): Delivery {
    // Not as JSON.stringify writes it: the signature is over the bytes.
    const body = `{ "event_id": "${id}",  "event_type": "user.updated", "data": {"fields": ["${name}"]} }`;
    const signature = new Webhook(by).sign(id, new Date(at), body);
    return {
      id,
      body,
      headers: {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at / 1000)),
        'webhook-signature': signature,
      },
    };
  }

  const send = async ({ body, headers }: Delivery, method = 'POST'): Promise<number> => {
    const reply = await fetch(url, { method, headers, ...(method === 'POST' && { body }) });
    await reply.arrayBuffer();
    return reply.status;
  };

  const taken = (): string[] =>
    readFileSync(inbox, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { event_id: string }).event_id);

  it('takes what the library signs, under either secret', async () => {
    const [one, two] = [delivery(), delivery({ by: former, name: 'आशा 😀' })];
    expect([await send(one), await send(two)]).toEqual([204, 204]);
    expect(taken()).toEqual(expect.arrayContaining([one.id, two.id]));
  });

  it('takes what the service signs with two secrets at once', async () => {
    const { id, body } = delivery();
    const secrets = { current: randomBytes(32), previous: bytesOf(secret) };
    const headers = signatureHeaders({ id, body: Buffer.from(body) }, secrets, Date.now());
    expect(headers['webhook-signature']!.split(' ')).toHaveLength(2);
    expect(await send({ id, body, headers })).toBe(204);
    expect(taken()).toContain(id);
  });

  it('keeps what comes again once, also when it comes twenty times at once and after a restart', async () => {
    const one = delivery();
    expect(await Promise.all(Array.from({ length: 20 }, () => send(one)))).toEqual(Array(20).fill(204));
    await receiver.end('SIGKILL');
    await start();
    // A later attempt has another timestamp and signature.
    expect(await send(delivery({ id: one.id, at: Date.now() + 1_000 }))).toBe(204);
    expect(taken().filter((id) => id === one.id)).toHaveLength(1);
  });

  it.each<[string, (good: Delivery) => Partial<Delivery['headers']> | string]>([
    ['another secret', () => delivery({ by: newSecret() }).headers],
    ['another body', ({ body }) => body.replace('Asha', 'Asho')],
    ['a body printed anew', ({ body }) => JSON.stringify(JSON.parse(body))],
    ['another id', () => ({ 'webhook-id': newId() })],
    ['another timestamp', () => ({ 'webhook-timestamp': String(Math.floor(Date.now() / 1000) + 7) })],
    ['a timestamp that is none', () => ({ 'webhook-timestamp': 'NaN' })],
    ['no signature', () => ({ 'webhook-signature': '' })],
    [
      'another version',
      ({ headers }) => ({ 'webhook-signature': headers['webhook-signature']!.replace('v1', 'v2') }),
    ],
    [
      'half a signature',
      ({ headers }) => ({ 'webhook-signature': headers['webhook-signature']!.slice(0, 20) }),
    ],
  ])('refuses %s', async (_what, change) => {
    const good = delivery();
    const changed = change(good);
    const bad = typeof changed === 'string' ? { ...good, body: changed } : good;
    const headers = { ...good.headers, ...(typeof changed === 'object' && changed) } as Record<
      string,
      string
    >;
    expect(await send({ ...bad, headers })).toBe(401);
    expect(taken()).not.toContain(good.id);
    // It was that change, and nothing else.
    expect(await send(good)).toBe(204);
  });

  it.each([
    ['six minutes old', -360_000, 401],
    ['six minutes ahead', 360_000, 401],
    ['four minutes old', -240_000, 204],
  ])('answers a delivery that is %s, rightly signed', async (_age, offset, status) => {
    expect(await send(delivery({ at: Date.now() + offset }))).toBe(status);
  });

  it('refuses other methods and what is too large, and ends when asked to', async () => {
    expect(await send(delivery(), 'GET')).toBe(405);
    const large = delivery({ name: 'x'.repeat(1024 * 1024) });
    expect(await send(large).catch(() => 413)).toBe(413);
    expect(taken()).not.toContain(large.id);
    expect(await receiver.end('SIGTERM')).toBe(0);
  });
});
