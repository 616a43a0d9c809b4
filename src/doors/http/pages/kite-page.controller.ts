import { Controller, Get, HttpCode, Inject, Post, Res, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { z } from 'zod';
import { unavailable } from '../../../common/common.errors';
import { CONFIG, Config } from '../../../config/config';
import type { HttpReply } from '../../../infra/http/http-request';
import { Public } from '../../../infra/http/public.decorator';
import { escapeHtml } from '../../../infra/mail/escape-html';
import { OwnNames } from '../own-names.guard';
import { htmlPage, Page } from './html-page';
import { kiteScript } from './kite-script';

const DEADLINE_MS = 2_000;
const newApp = z.object({ api_key: z.string(), api_secret: z.string() });

/**
 * Where a newcomer links an account, with the sandbox in Kite's place, and where its login page sends the browser back.
 * Registered in development, with a sandbox on this machine, only.
 */
@UseGuards(OwnNames)
@ApiExcludeController()
@Controller('dev/kite')
export class KitePageController {
  private readonly page: Page;
  private readonly url: string;

  constructor(@Inject(CONFIG) private readonly config: Config) {
    this.url = `${config.PUBLIC_URL}/dev/kite`;
    this.page = htmlPage({ title: 'Trading accounts', script: kiteScript, body: body(this.url, config) });
  }

  @Public()
  @Get()
  show(@Res({ passthrough: true }) reply: HttpReply): string {
    reply.headers(this.page.headers);
    return this.page.html;
  }

  /** An app in the sandbox, whose logins come back to this page. */
  @Post('apps')
  @HttpCode(201)
  async makeApp(@Res({ passthrough: true }) reply: HttpReply): Promise<z.output<typeof newApp>> {
    void reply.header('cache-control', 'no-store');
    try {
      const answer = await fetch(`${this.config.KITE_API_BASE_URL}/sandbox/apps`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ redirect_url: this.url }),
        redirect: 'error',
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      return newApp.parse(await answer.json());
    } catch (cause) {
      throw unavailable({ cause });
    }
  }
}

const body = (url: string, { KITE_API_BASE_URL }: Config): string => `
<p>For developers: link an account at Kite, log in and verify it, with a
<a href="${escapeHtml(KITE_API_BASE_URL)}/" target="_blank" rel="noopener">sandbox</a> in Kite’s place.</p>
<form id="sign-in" hidden data-home="${escapeHtml(url)}">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in</button>
</form>
<form id="second" hidden>
<label for="code">Code of your authenticator, or a backup code</label>
<input id="code" name="code" autocomplete="one-time-code" required>
<button type="submit">Sign in</button>
</form>
<section id="desk" hidden>
<p id="who"></p>
<ul id="accounts"></ul>
<form id="link">
<h2>Link an account</h2>
<button type="button" id="new-app">Make an app in the sandbox</button>
<label for="nickname">Nickname</label>
<input id="nickname" name="nickname" maxlength="100" autocomplete="off" placeholder="Long term">
<label for="api_key">API key</label>
<input id="api_key" name="api_key" autocomplete="off" spellcheck="false" required>
<label for="api_secret">API secret</label>
<input id="api_secret" name="api_secret" type="password" autocomplete="off" required>
<button type="submit">Link, and log in at Kite</button>
</form>
<button type="button" id="sign-out">Sign out</button>
</section>`;
