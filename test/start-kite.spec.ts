import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
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
  const page = async (): Promise<number> => (await fetch(`http://127.0.0.1:${place.port}/dev/kite`)).status;

  it('starts a sandbox for all its processes, keeps its apps, and forgets them on reset', async () => {
    const service = await place.service({ WEB_CONCURRENCY: '2' }).ready();
    const url = sandboxOf(service);
    expect(service.output.match(/Kite sandbox on/g)).toHaveLength(1);
    expect(service.output).toContain(`http://localhost:${place.port}/dev/kite, on a sandbox at ${url}`);
    for (let call = 0; call < 6; call++) expect(await page()).toBe(200);
    const { api_key, redirect_url } = await newApp(url);
    expect(redirect_url).toBe(`http://localhost:${place.port}/dev/kite`);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(await service.end('SIGINT')).toBe(0);
    await expect(fetch(url)).rejects.toThrow();

    // How a later start finds them again: kept-sandbox.spec.ts.
    expect(readFileSync(file(), 'utf8')).toContain(api_key);
    expect(await place.reset().exitCode).toBe(0);
    expect(existsSync(file())).toBe(false);
  }, 60_000);

  it('starts none where Kite is configured', async () => {
    const service = await place.service({ KITE_API_BASE_URL: 'https://api.kite.trade' }).ready();
    expect(service.output).not.toContain('Kite sandbox');
    expect(service.output).toContain('Kite         https://api.kite.trade');
    expect(existsSync(file())).toBe(false);
    expect(await page()).toBe(404);
  }, 60_000);
});
