import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startKiteSandbox } from '../src/embedded/kite-sandbox/kite-sandbox';
import { ServicePlace, ServiceProgram } from './support/service-process';

describe('npm start, with no Kite', () => {
  let place: ServicePlace;
  beforeEach(async () => {
    place = await ServicePlace.make();
  });
  afterEach(() => place.remove());

  const file = (): string => join(place.dataDir, 'kite-sandbox.json');
  const sandboxOf = ({ output }: ServiceProgram): string => {
    const [, host] = /✓ Kite sandbox on (127\.0\.0\.1:\d+) {2}\d+\.\d\d s/.exec(output) ?? [];
    if (!host) throw new Error(`no sandbox in:\n${output}`);
    return `http://${host}`;
  };
  const newApp = async (url: string): Promise<{ api_key: string; redirect_url: string }> => {
    const reply = await fetch(`${url}/sandbox/apps`, { method: 'POST' });
    expect(reply.status).toBe(201);
    return (await reply.json()) as { api_key: string; redirect_url: string };
  };
  /** 200 with an app that it knows, 400 with another. */
  const knows = async (url: string, apiKey: string): Promise<boolean> =>
    (await fetch(`${url}/connect/login?v=3&api_key=${apiKey}`)).status === 200;
  const page = async (): Promise<number> => (await fetch(`http://127.0.0.1:${place.port}/dev/kite`)).status;

  it('starts a sandbox, finds it again with its apps and at its port, and forgets it on reset', async () => {
    const first = await place.service().ready();
    const url = sandboxOf(first);
    expect(first.output).toContain(`http://localhost:${place.port}/dev/kite, on a sandbox at ${url}`);
    expect(await page()).toBe(200);
    const { api_key, redirect_url } = await newApp(url);
    expect(redirect_url).toBe(`http://localhost:${place.port}/dev/kite`);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(await first.end('SIGINT')).toBe(0);
    await expect(fetch(url)).rejects.toThrow();

    const second = await place.service().ready();
    expect(sandboxOf(second)).toBe(url);
    expect(await knows(url, api_key)).toBe(true);
    expect(await second.end('SIGTERM')).toBe(0);

    expect(await place.reset().exitCode).toBe(0);
    expect(existsSync(file())).toBe(false);
  }, 60_000);

  it('has one for all its processes', async () => {
    const service = await place.service({ WEB_CONCURRENCY: '2' }).ready();
    expect(service.output.match(/Kite sandbox on/g)).toHaveLength(1);
    for (let call = 0; call < 6; call++) expect(await page()).toBe(200);
    expect(await service.end('SIGINT')).toBe(0);
    await expect(fetch(sandboxOf(service))).rejects.toThrow();
  }, 60_000);

  it('starts none where Kite is configured', async () => {
    const kite = await startKiteSandbox();
    const service = await place.service({ KITE_API_BASE_URL: kite.url }).ready();
    expect(service.output).not.toContain('Kite sandbox');
    expect(existsSync(file())).toBe(false);
    await service.end('SIGINT');
    await kite.stop();
    const real = await place.service({ KITE_API_BASE_URL: 'https://api.kite.trade' }).ready();
    expect(real.output).toContain('Kite         https://api.kite.trade');
    expect(await page()).toBe(404);
  }, 60_000);

  it('moves off a port that others took, and says what is wrong with a damaged file', async () => {
    const first = await place.service().ready();
    const url = sandboxOf(first);
    const { api_key } = await newApp(url);
    await first.end('SIGINT');
    const other = await startKiteSandbox({ port: Number(new URL(url).port) });
    const second = await place.service().ready();
    expect(sandboxOf(second)).not.toBe(url);
    expect(await knows(sandboxOf(second), api_key)).toBe(true);
    await second.end('SIGINT');
    await other.stop();

    expect(JSON.parse(readFileSync(file(), 'utf8'))).toMatchObject({ apps: [{ apiKey: api_key }] });
    writeFileSync(file(), '{"port":');
    const third = place.service();
    expect(await third.exitCode).toBe(1);
    expect(third.output).toContain('kite-sandbox.json is damaged; `npm run reset` starts over');
  }, 60_000);
});
