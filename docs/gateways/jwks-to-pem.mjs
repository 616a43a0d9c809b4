// Writes the keys of a JWKS as PEM files for HAProxy, and runs a command when one of them has changed.
// Run it from a timer, every minute: a new key is published ten minutes before it signs.
//
//   node jwks-to-pem.mjs https://id.example.com/.well-known/jwks.json /etc/haproxy/user-service 'systemctl reload haproxy'
//
// HAProxy names its key files in its configuration, so there is always the same number of them: with fewer keys the
// first is repeated. An answer that is no key set, or none at all, changes nothing.
import { execSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILES = 4;

const [url, folder, whenChanged] = process.argv.slice(2);
const reply = await fetch(url, { signal: AbortSignal.timeout(5_000) });
if (!reply.ok) throw new Error(`${url} answered ${reply.status}`);
const { keys } = await reply.json();
const pems = keys
  .filter(({ kty, use }) => kty === 'RSA' && use === 'sig')
  .map((jwk) => createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }));
if (pems.length === 0) throw new Error(`${url} holds no RSA key`);
if (pems.length > FILES) throw new Error(`${url} holds ${pems.length} keys: name more files in haproxy.cfg`);

mkdirSync(folder, { recursive: true });
let changed = false;
for (let number = 1; number <= FILES; number++) {
  const file = join(folder, `key-${number}.pem`);
  const pem = pems[number - 1] ?? pems[0];
  if (existsSync(file) && readFileSync(file, 'utf8') === pem) continue;
  // Whole or not at all: HAProxy may be reading it.
  writeFileSync(`${file}.new`, pem);
  renameSync(`${file}.new`, file);
  changed = true;
}
if (changed && whenChanged) execSync(whenChanged, { stdio: 'inherit' });
