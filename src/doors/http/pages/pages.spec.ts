import { createHash } from 'node:crypto';
import { Script } from 'node:vm';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { ConfigModule } from '../../../config/config.module';
import { loadConfig } from '../../../config/config';
import { securityHeaders, setSecurityHeaders } from '../security-headers';
import { PagesController } from './pages.controller';

let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  const module = await Test.createTestingModule({
    imports: [ConfigModule.with(loadConfig({ PASSWORD_MIN_LENGTH: '14' }))],
    controllers: [PagesController],
  }).compile();
  app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
  setSecurityHeaders(app.getHttpAdapter().getInstance(), securityHeaders(true));
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});

afterAll(() => app.close());

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64');

describe.each(['/verify-email', '/reset-password'])('GET %s', (path) => {
  it('is a page that no other site frames, no cache keeps and no Referer tells of', async () => {
    const { status, headers } = await fetch(`${url}${path}?token=abc`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
  });

  it('runs its own script and style only', async () => {
    const reply = await fetch(url + path);
    const policy = reply.headers.get('content-security-policy');
    const body = await reply.text();
    const [, script] = /<script>([^]*)<\/script>/.exec(body)!;
    const [, style] = /<style>([^]*)<\/style>/.exec(body)!;
    expect(policy).toContain(`script-src 'sha256-${sha256(script!)}';`);
    expect(policy).toContain(`style-src 'sha256-${sha256(style!)}';`);
    expect(body).not.toMatch(/ style=| on\w+=| src=/);
    expect(() => new Script(script!)).not.toThrow();
  });

  it('never repeats what the address says', async () => {
    const reply = await fetch(`${url}${path}?token=${encodeURIComponent('"><script>alert(1)</script>')}`);
    expect(await reply.text()).not.toContain('alert(1)');
  });
});

it('tells the password rules in force', async () => {
  const reply = await fetch(`${url}/reset-password`);
  expect(await reply.text()).toContain('At least 14 characters');
});
