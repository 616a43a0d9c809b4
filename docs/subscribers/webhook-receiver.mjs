// Receives the webhooks of User Service. Needs nothing but Node.
//
//   WEBHOOK_SECRETS=whsec_… PORT=9000 INBOX=inbox.jsonl node webhook-receiver.mjs
//
// While a secret is being replaced name both, separated by a comma. Put TLS in front of it: webhooks go over https.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const { WEBHOOK_SECRETS, PORT = '9000', INBOX = 'inbox.jsonl' } = process.env;
const secrets = WEBHOOK_SECRETS.split(',').map((secret) =>
  Buffer.from(secret.replace(/^whsec_/, ''), 'base64'),
);
const TOLERANCE_SECONDS = 300;
const LARGEST = 1024 * 1024;

// What has been taken, by `webhook-id`: an attempt that is repeated must not have its effect again. A table of a database,
// with the effect in the same transaction, does it better (see consumer.mjs); a file will do to show it.
const taken = new Map();
if (existsSync(INBOX))
  for await (const line of createInterface({ input: createReadStream(INBOX) }))
    if (isWhole(line)) taken.set(JSON.parse(line).event_id, Promise.resolve());
const inbox = await open(INBOX, 'a');

/** A line that was cut off when the process ended was never answered, and comes again. */
function isWhole(line) {
  try {
    return typeof JSON.parse(line).event_id === 'string';
  } catch {
    return false;
  }
}

/** Whether the service sent exactly this, not long ago. Over the bytes as they came: parsing and printing changes them. */
function isGenuine(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  if (!id || !/^\d{1,12}$/.test(timestamp ?? '')) return false;
  // An old one may be a recording that somebody plays again.
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const expected = secrets.map((secret) =>
    createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest(),
  );
  return signatures.split(' ').some((signature) => {
    const [version, text = ''] = signature.split(',');
    const given = Buffer.from(text, 'base64');
    // In constant time: how much of a guess was right is nobody's business.
    return (
      version === 'v1' && expected.some((one) => one.length === given.length && timingSafeEqual(one, given))
    );
  });
}

/** Keeps it, safely, once; the work it means is for later, or the service waits, gives up and sends it again. */
function take(id, body) {
  const known = taken.get(id);
  if (known) return known;
  const kept = (async () => {
    await inbox.appendFile(`\n${JSON.stringify(JSON.parse(body))}`);
    await inbox.datasync();
  })();
  taken.set(id, kept);
  // What could not be kept may come again.
  kept.catch(() => taken.delete(id));
  return kept;
}

async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LARGEST) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const answer = (status) => response.writeHead(status).end();
  try {
    if (request.method !== 'POST') return answer(405);
    const body = await bodyOf(request);
    if (!body) return answer(413);
    if (!isGenuine(request.headers, body)) return answer(401);
    await take(request.headers['webhook-id'], body);
    // Now it is ours: any 2xx ends the deliveries of this event. Redirects, errors and silence do not.
    return answer(204);
  } catch (error) {
    console.error(error.message);
    return answer(500);
  }
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close());
