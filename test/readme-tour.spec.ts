import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ServicePlace } from './support/service-process';

const ROOT = join(__dirname, '..');

/** For machines that have no curl or no oathtool; where they are installed, the real ones are found first. */
const TOOLS = join(__dirname, 'support', 'tour-tools');

describe("README's tour", () => {
  let place: ServicePlace;

  beforeAll(async () => {
    place = await ServicePlace.make();
    await place.service().ready();
  });
  afterAll(() => place.remove());

  it('works as it is printed', async () => {
    const output = await sh(tour().replaceAll('localhost:8001', `127.0.0.1:${place.port}`), place.folder);
    const said = (...texts: string[]): void => {
      for (const text of texts) expect(output).toContain(text);
    };
    said('"status":"pending_verification"', '"status":"active"', '"name":"Asha Rao"', 'Asia/Kolkata');
    said('"sessions_revoked":2', '"mfa_enabled":true', '"mfa_verified":true', '"allowed":true');
    said('"credentials_valid":true', '"rotation_pending":false', '"reason":"membership"');
    said('"access_token":', '"broker_user_id":"AB1234"');
    // What the tour says is refused, and nothing else.
    expect([...output.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code)).toEqual([
      'invalid_access_token',
      'invalid_api_key',
    ]);
    const answers = [...output.matchAll(/"allowed":(true|false)/g)].map(([, answer]) => answer);
    expect(answers).toEqual(['true', 'false', 'false', 'true', 'false']);
  }, 60_000);
});

/** The shell blocks of the tour, one after the other. */
function tour(): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, section] = /^## A tour with curl\n(.*?)^## /ms.exec(readme) ?? [];
  const blocks = [...(section ?? '').matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) => block);
  expect(blocks.length).toBeGreaterThan(5);
  return blocks.join('\n');
}

async function sh(script: string, cwd: string): Promise<string> {
  const child = spawn('sh', ['-eu'], {
    cwd,
    env: { ...process.env, PATH: `${process.env.PATH}${delimiter}${TOOLS}` },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(script);
  const [code] = (await once(child, 'close')) as [number | null];
  expect([code, output]).toEqual([0, output]);
  return output;
}
