import { createSocket, Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { NameResolver } from './name-resolver';
import { sendFailure } from './send-failure';

const A = 1;
const AAAA = 28;

/** A name server that answers each question with these bytes as addresses, with a code of its own, or not at all. */
async function startNameServer(
  answer: (name: string, type: number) => Buffer[] | number | null,
): Promise<Socket> {
  const server = createSocket('udp4');
  server.on('message', (question, { port, address }) => {
    const labels: string[] = [];
    let at = 12;
    for (; question[at] !== 0; at += question[at]! + 1)
      labels.push(question.subarray(at + 1, at + 1 + question[at]!).toString());
    const type = question.readUInt16BE(at + 1);
    const said = answer(labels.join('.'), type);
    if (said === null) return;
    const records = typeof said === 'number' ? [] : said;
    const head = Buffer.from(question.subarray(0, 12));
    head.writeUInt16BE(0x8180 | (typeof said === 'number' ? said : 0), 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    const body = records.map((address) => {
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(60, 6);
      record.writeUInt16BE(address.length, 10);
      return Buffer.concat([record, address]);
    });
    server.send(Buffer.concat([head, question.subarray(12, at + 5), ...body]), port, address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  return server;
}

class OwnNames extends NameResolver {
  constructor(private readonly server: Socket) {
    super();
  }

  protected override newResolver(): Resolver {
    const resolver = new Resolver({ timeout: 200, tries: 2 });
    resolver.setServers([`127.0.0.1:${this.server.address().port}`]);
    return resolver;
  }
}

describe('NameResolver', () => {
  const never = new AbortController().signal;
  const v6 = Buffer.from('26064700470000000000000000001111', 'hex');
  let server: Socket;
  let names: NameResolver;

  beforeAll(async () => {
    server = await startNameServer((name, type) => {
      if (name === 'both.test')
        return type === A ? [Buffer.from([8, 8, 8, 8]), Buffer.from([10, 0, 0, 1])] : [v6];
      if (name === 'old.test') return type === A ? [Buffer.from([8, 8, 4, 4])] : type === AAAA ? 2 : [];
      if (name === 'empty.test') return [];
      if (name === 'silent.test') return null;
      return 3;
    });
    names = new OwnNames(server);
  });
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  it('finds all addresses of a name, of both kinds', async () => {
    expect(await names.addressesOf('both.test', never)).toEqual([
      '8.8.8.8',
      '10.0.0.1',
      '2606:4700:4700::1111',
    ]);
  });

  it('is content with one kind, where the server fails at the other', async () => {
    expect(await names.addressesOf('old.test', never)).toEqual(['8.8.4.4']);
  });

  it('takes an address for what it is, and localhost for this machine, without asking', async () => {
    const own = new NameResolver();
    expect(await own.addressesOf('192.0.2.7', never)).toEqual(['192.0.2.7']);
    expect(await own.addressesOf('[2001:db8::7]', never)).toEqual(['2001:db8::7']);
    for (const name of ['localhost', 'LOCALHOST.', 'a.localhost'])
      expect(await own.addressesOf(name, never)).toEqual(['127.0.0.1', '::1']);
    expect(await names.addressesOf('notlocalhost', never).catch(() => 'asked')).toBe('asked');
  });

  it.each([
    ['missing.test', 'the name does not resolve'],
    ['empty.test', 'the name does not resolve'],
    ['silent.test', 'the name could not be looked up'],
  ])('says of %s in words of ours: %s', async (name, words) => {
    const error = await names.addressesOf(name, never).catch((reason: unknown) => reason);
    expect(sendFailure(error).message).toBe(words);
  });

  it('ends at once when it is told to', async () => {
    const stop = new AbortController();
    const asked = names.addressesOf('silent.test', stop.signal);
    const startedAt = performance.now();
    stop.abort(new Error('stopped'));
    await expect(asked).rejects.toThrow();
    await expect(names.addressesOf('both.test', stop.signal)).rejects.toThrow('stopped');
    expect(performance.now() - startedAt).toBeLessThan(150);
  });
});
