/** Reads mails of two alternatives, as a mail program would: RFC 2045 to 2047. Refuses what has any other form. */

/** @throws Error where the source is no such mail. */
export function readMime(source: string): { subject: string; text: string; html: string } {
  const mail = part(source);
  const boundary = /^multipart\/alternative;\s*boundary="([^"]+)"$/.exec(header(mail, 'content-type'))?.[1];
  if (!boundary) throw new Error('no multipart/alternative');
  const parts = `\r\n${mail.body}`
    .split(`\r\n--${boundary}`)
    .slice(1, -1)
    .map((piece) => part(piece.slice(2)));
  const [text, html, ...more] = parts;
  if (!text || !html || more.length > 0) throw new Error(`${parts.length} parts`);
  return {
    subject: unfoldWords(header(mail, 'subject')),
    text: content(text, 'text/plain; charset=utf-8'),
    html: content(html, 'text/html; charset=utf-8'),
  };
}

interface Part {
  head: string;
  body: string;
}

function part(source: string): Part {
  const end = source.indexOf('\r\n\r\n');
  return { head: source.slice(0, end).replace(/\r\n(?=[ \t])/g, ''), body: source.slice(end + 4) };
}

function header({ head }: Part, name: string): string {
  const [value, ...more] = head
    .split('\r\n')
    .filter((line) => line.toLowerCase().startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trim());
  if (value === undefined || more.length > 0) throw new Error(`not one ${name}`);
  return value;
}

function content(piece: Part, type: string): string {
  if (header(piece, 'content-type') !== type) throw new Error(`no ${type}`);
  const lines = decode(header(piece, 'content-transfer-encoding'), piece.body).toString();
  return lines.replaceAll('\r\n', '\n');
}

function decode(encoding: string, body: string): Buffer {
  if (encoding === 'base64') return Buffer.from(body, 'base64');
  if (encoding === 'quoted-printable') return quotedPrintable(body.replace(/=\r\n/g, ''));
  if (encoding === '7bit') return Buffer.from(body.replace(/\r\n$/, ''));
  throw new Error(`unknown encoding ${encoding}`);
}

const quotedPrintable = (body: string): Buffer =>
  Buffer.from(
    body.replace(/=([0-9A-F]{2})/g, (_code, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  );

/** Encoded words of one character set, joined before they are decoded, lest one ends amid a character. */
function unfoldWords(value: string): string {
  return value
    .replace(/(\?=)\s+(?==\?)/g, '$1')
    .replace(/=\?UTF-8\?([QB])\?([^?]*)\?=/gi, (_word, kind: string, word: string) =>
      kind.toUpperCase() === 'B'
        ? Buffer.from(word, 'base64').toString()
        : quotedPrintable(word.replaceAll('_', ' ')).toString(),
    );
}
