import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import request from 'supertest';
import { startKeptSandbox } from '../src/embedded/kite-sandbox/kept-sandbox';
import { KiteSandbox, startKiteSandbox } from '../src/embedded/kite-sandbox/kite-sandbox';
import { markOf } from '../src/embedded/process-mark';
import { dataDirOf, makeTestFolder } from './support/test-folder';

/** The sandbox is stopped and started at the same address, so no connection stays. */
const HEADERS = { 'X-Kite-Version': '3', Connection: 'close' };

interface App {
  apiKey: string;
  apiSecret: string;
}

/** Logs somebody in. @returns the access token. */
async function openSession(kite: KiteSandbox, { apiKey, apiSecret }: App, userId: string): Promise<string> {
  const requestToken = kite.login(apiKey, userId);
  const checksum = createHash('sha256')
    .update(apiKey + requestToken + apiSecret)
    .digest('hex');
  const form = { api_key: apiKey, request_token: requestToken, checksum };
  const { body } = await request(kite.url)
    .post('/session/token')
    .set(HEADERS)
    .type('form')
    .send(form)
    .expect(200);
  return body.data.access_token;
}

/** Whose session it is; undefined where it is over. */
async function whoHas(kite: KiteSandbox, { apiKey }: App, accessToken: string): Promise<string | undefined> {
  const authorization = { Authorization: `token ${apiKey}:${accessToken}` };
  const { body } = await request(kite.url).get('/user/profile').set(HEADERS).set(authorization);
  return body.data?.user_id;
}

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
    const [ended, living] = [
      await openSession(first, app, 'AB1234'),
      await openSession(first, app, 'CD5678'),
    ];
    expect(await whoHas(first, app, ended)).toBe('AB1234');
    const login = { api_key: app.apiKey, access_token: ended };
    await request(first.url).delete('/session/token').set(HEADERS).query(login).expect(200);
    await first.stop();
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await whoHas(second, app, living)).toBe('CD5678');
    expect(await whoHas(second, app, ended)).toBeUndefined();
    expect(await whoHas(second, app, await openSession(second, app, 'EF9012'))).toBe('EF9012');
    await second.stop();
  });

  it('is at another address when somebody else has taken its own, and knows its apps there', async () => {
    const first = await start();
    const app = first.newApp();
    await first.stop();
    const other = await startKiteSandbox({ port: Number(new URL(first.url).port) });
    const second = await start();
    expect(second.url).not.toBe(first.url);
    expect(await whoHas(second, app, await openSession(second, app, 'AB1234'))).toBe('AB1234');
    await second.stop();
    await other.stop();
  });

  it('says what to do about a damaged file', async () => {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(file(), '{"port":');
    await expect(start()).rejects.toThrow('kite-sandbox.json is damaged; `npm run reset` starts over');
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
