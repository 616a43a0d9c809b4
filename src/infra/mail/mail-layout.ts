import { escapeHtml } from './escape-html';

export interface MailContent {
  /** Also the title of the mail's document. */
  heading: string;
  paragraphs: string[];
  /** The one thing to do, as a button and, for those who can't press it, as a link. http(s) only. */
  action?: { label: string; url: string };
  /** Small print below. */
  note?: string;
  /** BCP 47; what the texts are written in. */
  lang: string;
}

// Mail clients drop style sheets, so that every style is inline; the sheet only turns the lights off where it is kept.
const DARK = `:root{color-scheme:light dark}
@media (prefers-color-scheme:dark){
.page{background:#16181d!important}.card{background:#22252c!important;border-color:#383c45!important}
.strong{color:#f3f4f6!important}.text{color:#d5d8de!important}.faint{color:#a0a6b1!important}}`;

/** Lays a mail out as plain text and as HTML without images or anything remote. Every text is escaped. */
export function layoutMail(content: MailContent): { text: string; html: string } {
  if (content.action) requireWebAddress(content.action.url);
  return { text: plainText(content), html: html(content) };
}

function plainText({ heading, paragraphs, action, note }: MailContent): string {
  const blocks = [heading, ...paragraphs];
  if (action) blocks.push(`${action.label}:\n${action.url}`);
  if (note) blocks.push(note);
  return blocks.join('\n\n') + '\n';
}

function html({ heading, paragraphs, action, note, lang }: MailContent): string {
  const body = [
    `<h1 class="strong" style="margin:0 0 16px;font-size:22px;line-height:28px;color:#16181d">${escapeHtml(heading)}</h1>`,
    ...paragraphs.map((paragraph) => `<p class="text" style="${TEXT}">${lines(paragraph)}</p>`),
    ...(action ? [button(action)] : []),
    ...(note ? [`<p class="faint" style="${FAINT}">${lines(note)}</p>`] : []),
  ];
  return `<!doctype html>
<html lang="${escapeHtml(lang)}" dir="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escapeHtml(heading)}</title>
<style>${DARK}</style>
</head>
<body class="page" style="margin:0;padding:24px 12px;background:#f3f4f6;${FONT}">
<div class="card" style="max-width:520px;margin:0 auto;padding:32px;background:#ffffff;border:1px solid #e2e5ea;border-radius:12px">
${body.join('\n')}
</div>
</body>
</html>
`;
}

const FONT = 'font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif';
const TEXT = 'margin:0 0 16px;font-size:16px;line-height:24px;color:#33373f';
const FAINT = 'margin:24px 0 0;font-size:13px;line-height:20px;color:#5b616c';

function button({ label, url }: { label: string; url: string }): string {
  const href = escapeHtml(url);
  return `<p style="margin:24px 0"><a href="${href}" style="display:inline-block;padding:12px 24px;background:#1d4ed8;border-radius:8px;color:#ffffff;font-size:16px;font-weight:600;text-decoration:none">${escapeHtml(label)}</a></p>
<p class="faint" style="margin:0 0 16px;font-size:13px;line-height:20px;color:#5b616c;word-break:break-all"><a href="${href}" class="faint" style="color:#5b616c">${href}</a></p>`;
}

const lines = (text: string): string => escapeHtml(text).replaceAll('\n', '<br>');

function requireWebAddress(url: string): void {
  if (!/^https?:$/.test(new URL(url).protocol)) throw new Error('a mail links to http and https only');
}
