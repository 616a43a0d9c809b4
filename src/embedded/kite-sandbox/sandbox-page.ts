import { escapeHtml } from '../../infra/mail/escape-html';
import { SandboxApp } from './kite-state';

const STYLE = `:root{color-scheme:light dark}
body{margin:0;padding:8vh 1rem;font:16px/1.5 system-ui,sans-serif;background:light-dark(#f4f5f7,#16181c)}
main{max-width:24rem;margin:0 auto;padding:2rem;border:1px solid #8884;border-radius:8px;background:light-dark(#fff,#1f2227)}
main.wide{max-width:48rem}
h1{margin:.5rem 0 0;font-size:1.35rem;font-weight:600}
.mark{width:34px;height:24px;display:block}
.note{margin:1rem 0;padding:.75rem 1rem;border-left:4px solid #e8590c;background:#e8590c1a;border-radius:0 6px 6px 0}
label{display:block;margin:1rem 0 .25rem}
input{box-sizing:border-box;width:100%;padding:.65rem;font:inherit;border:1px solid #888;border-radius:6px}
button{margin-top:1rem;padding:.65rem 1.4rem;font:inherit;font-weight:600;color:#fff;background:#c2410c;border:0;border-radius:6px;cursor:pointer}
main:not(.wide) button{width:100%}
table{width:100%;border-collapse:collapse;font-size:.9rem}
th,td{padding:.4rem .75rem .4rem 0;text-align:left;border-bottom:1px solid #8884;overflow-wrap:anywhere}
code{font-family:ui-monospace,monospace}
.failed{color:light-dark(#b42318,#ff8a7d)}
small{opacity:.8}`;

const MARK = `<svg class="mark" viewBox="0 0 34 24" aria-hidden="true"><path fill="#e8590c" d="M17 0 34 24H17zM17 0 0 24h17z" opacity=".85"/></svg>`;

/**
 * Neither scripts nor anything from elsewhere; a form may lead on to `formTarget`, too.
 * Not "no-referrer": a browser then sends forms without their origin.
 */
export const pageHeaders = (formTarget = ''): Record<string, string> => ({
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'unsafe-inline'; form-action 'self' ${formTarget}; base-uri 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
});

const page = (title: string, body: string, kind = ''): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Kite sandbox</title>
<style>${STYLE}</style>
</head>
<body>
<main class="${kind}">
${MARK}
${body}
</main>
</body>
</html>
`;

/** Who logs in, without a password: it is nobody's real account. @param problem what was wrong with what was typed. */
export const loginPage = ({ apiKey }: SandboxApp, userIds: string[], problem = ''): string =>
  page(
    'Login',
    `<h1>Login to Kite</h1>
<p class="note"><strong>This is a sandbox, not Zerodha.</strong> Type any user ID. It asks for no password: never type a real one here.</p>
<form method="post">
<label for="user_id">User ID</label>
<input id="user_id" name="user_id" list="known" value="${escapeHtml(userIds[0] ?? 'AB1234')}" required minlength="2" maxlength="10" pattern="[A-Za-z0-9]+" autocomplete="off" autocapitalize="characters" autofocus>
<datalist id="known">${userIds.map((id) => `<option value="${escapeHtml(id)}">`).join('')}</datalist>
${problem && `<p class="failed" role="alert">${escapeHtml(problem)}</p>`}
<button type="submit">Login</button>
</form>
<p><small>For the app <code>${escapeHtml(apiKey)}</code></small></p>`,
  );

export const failurePage = (message: string): string =>
  page('Error', `<h1>That did not work</h1>\n<p>${escapeHtml(message)}</p>`);

/** What an app without a redirect URL of its own is sent to. */
export const finishedPage = (requestToken: string): string =>
  page(
    'Logged in',
    `<h1>Logged in</h1>
<p>This app has no redirect URL, so here is what it would have been sent:</p>
<p>request_token <code>${escapeHtml(requestToken)}</code></p>
<p><small>It is good once, and for five minutes.</small></p>`,
  );

export const homePage = (apps: SandboxApp[], url: string): string =>
  page(
    'Apps',
    `<h1>Kite Connect sandbox</h1>
<p>It stands in for Zerodha's Kite Connect while you develop: it keeps its rules (checksums, request tokens that are
good once, sessions that end at 06:00 in India, ten calls a second) and no money. Link an account with the keys of an
app below; any user ID can log in.</p>
<p>API <code>${escapeHtml(url)}</code> · login <code>${escapeHtml(url)}/connect/login</code></p>
<h2>Apps</h2>
${apps.length > 0 ? appsTable(apps) : '<p>There is none yet.</p>'}
<form method="post">
<button type="submit" name="do" value="app">New app</button>
<button type="submit" name="do" value="expire">End every session, as six o’clock does</button>
</form>`,
    'wide',
  );

const appsTable = (apps: SandboxApp[]): string => `<table>
<thead><tr><th>API key</th><th>API secret</th><th>Redirect URL</th></tr></thead>
<tbody>
${apps
  .map(({ apiKey, apiSecret, redirectUrl }) => {
    const cells = [apiKey, apiSecret, redirectUrl].map((text) => `<td><code>${escapeHtml(text)}</code></td>`);
    return `<tr>${cells.join('')}</tr>`;
  })
  .join('\n')}
</tbody>
</table>`;
