import { createHash } from 'node:crypto';
import { escapeHtml } from '../../../infra/mail/escape-html';

export interface Page {
  html: string;
  headers: Record<string, string>;
}

interface Content {
  title: string;
  /** HTML. */
  body: string;
  /** The one script that the page runs. */
  script: string;
}

const STYLE = `:root{color-scheme:light dark}
body{margin:0;padding:10vh 1rem;font:16px/1.5 system-ui,sans-serif}
main{max-width:26rem;margin:0 auto;padding:2rem;border:1px solid #8886;border-radius:12px}
h1{margin:0 0 1rem;font-size:1.4rem}
h2{margin:2rem 0 0;font-size:1.1rem}
ul{padding:0;list-style:none}
label{display:block;margin:1rem 0 .25rem}
input:not([type=checkbox]){box-sizing:border-box;width:100%;padding:.6rem;font:inherit;border:1px solid #888;border-radius:8px}
small{display:block;margin:.25rem 0}
button{margin-top:1rem;padding:.7rem 1.5rem;font:inherit;font-weight:600;color:#fff;background:#1d4ed8;border:0;border-radius:8px;cursor:pointer}
button:disabled{opacity:.6;cursor:default}
.done p::before{content:"✓ "}
.failed{color:light-dark(#b42318,#ff8a7d)}`;

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

// Nothing but this very style and script runs, and they talk to nobody but us.
const policy = (script: string): string =>
  [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(STYLE)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** A self-contained page that says what became of it in `#result`. */
export function htmlPage({ title, body, script }: Content): Page {
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy(script),
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'x-robots-tag': 'noindex',
    },
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<noscript><p>This page needs JavaScript. Please switch it on, or open the link in another browser.</p></noscript>
${body}
<div id="result" role="alert"></div>
</main>
<script>${script}</script>
</body>
</html>
`,
  };
}
