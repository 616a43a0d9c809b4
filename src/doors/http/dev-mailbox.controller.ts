import { Controller, Delete, Get, Headers, HttpCode, Res, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { HttpReply } from '../../infra/http/http-request';
import { Public } from '../../infra/http/public.decorator';
import { escapeHtml } from '../../infra/mail/escape-html';
import { MailboxEntry, MailboxTransport } from '../../infra/mail/mailbox-transport';
import { OwnNames } from './own-names.guard';

// No script at all; styles inline, as mails have them. Mails are shown in sandboxed frames that inherit this.
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The development mailbox: what would have been mailed. Registered in development without a mail server only. */
@Public()
@UseGuards(OwnNames)
@ApiExcludeController()
@Controller('dev/mailbox')
export class DevMailboxController {
  constructor(private readonly mailbox: MailboxTransport) {}

  @Get()
  async list(
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<string | { messages: MailboxEntry[] }> {
    const messages = await this.mailbox.list();
    reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
    if (accept?.includes('application/json')) return { messages };
    reply.headers({ 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY });
    return page(messages);
  }

  @Delete()
  @HttpCode(204)
  async clear(): Promise<void> {
    await this.mailbox.clear();
  }
}

function page(messages: MailboxEntry[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Development mailbox (${messages.length})</title>
<style>
:root{color-scheme:light dark}
body{max-width:46rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif}
header{display:flex;justify-content:space-between;align-items:center}
article{margin:1.5rem 0;padding:1rem 1.5rem;border:1px solid #8886;border-radius:12px}
h2{margin:0;font-size:1.1rem}
article>p{margin:0;opacity:.75;font-size:.9rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}
iframe{width:100%;height:30rem;border:0;background:#fff}
</style>
</head>
<body>
<header><h1>Development mailbox</h1><form method="get"><button>Refresh</button></form></header>
<main>
${messages.map(article).join('\n') || '<p>No mail yet.</p>'}
</main>
</body>
</html>
`;
}

function article({ to, subject, date, text, html }: MailboxEntry): string {
  return `<article>
<h2>${escapeHtml(subject)}</h2>
<p>To ${escapeHtml(to)} · <time datetime="${escapeHtml(date)}">${escapeHtml(date)}</time></p>
<pre>${withLinks(text)}</pre>
<details><summary>As HTML</summary>
<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title="${escapeHtml(subject)}" srcdoc="${escapeHtml(`<base target="_blank">${html}`)}"></iframe>
</details>
</article>`;
}

const withLinks = (text: string): string =>
  text
    .split(/(https?:\/\/[^\s<>"]+)/)
    .map((part, i) => (i % 2 ? `<a href="${escapeHtml(part)}">${escapeHtml(part)}</a>` : escapeHtml(part)))
    .join('');
