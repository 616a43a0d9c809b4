import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startKeptSandbox } from '../src/embedded/kite-sandbox/kept-sandbox';
import { markOf } from '../src/embedded/process-mark';
import { dataDirOf, makeTestFolder } from './support/test-folder';

describe('startKeptSandbox', () => {
  let folder: string;
  let dataDir: string;
  beforeEach(() => {
    folder = makeTestFolder();
    dataDir = dataDirOf(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const file = (): string => join(dataDir, 'kite-sandbox.json');
  const start = () => startKeptSandbox(dataDir, 'http://localhost:8001/dev/kite');

  it('is at the same address after a restart, with its apps and living sessions', async () => {
    const first = await start();
    const app = first.newApp();
    await first.stop();
    const second = await start();
    expect(second.url).toBe(first.url);
    const login = await fetch(`${second.url}/connect/login?v=3&api_key=${app.apiKey}`);
    expect(login.status).toBe(200);
    await second.stop();
  });

  it('keeps no session that is over, and no request token', async () => {
    const kite = await start();
    const { apiKey } = kite.newApp();
    const token = kite.login(apiKey, 'AB1234');
    kite.expireSessions();
    expect(readFileSync(file(), 'utf8')).not.toContain(token);
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toMatchObject({ apps: [{ apiKey }], sessions: [] });
    await kite.stop();
  });

  it('keeps nothing in a folder with other things in it', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'thesis.txt'), '');
    const kite = await start();
    kite.newApp();
    expect(readdirSync(dataDir)).toEqual(['thesis.txt']);
    await kite.stop();
  });

  it('keeps nothing beside another service that has the folder', async () => {
    const before = await start();
    before.newApp();
    await before.stop();
    const kept = readFileSync(file(), 'utf8');
    const other = spawn('sleep', ['60']);
    writeFileSync(join(dataDir, 'lock'), JSON.stringify(markOf(other.pid!)));
    const kite = await start();
    kite.newApp();
    expect(readFileSync(file(), 'utf8')).toBe(kept);
    await kite.stop();
    other.kill();
  });

  it('makes no folder before there is something to keep', async () => {
    const kite = await start();
    expect(existsSync(dataDir)).toBe(false);
    kite.newApp();
    expect(existsSync(file())).toBe(true);
    await kite.stop();
  });

  it('leaves no half-written file', async () => {
    const kite = await start();
    kite.newApp();
    expect(existsSync(`${file()}.new`)).toBe(false);
    await kite.stop();
  });
});
