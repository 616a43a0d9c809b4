import { attemptScript } from './attempt-script';

/**
 * The script of the page that Google sends the browser back to, as the browser runs it. It takes code and state out of
 * the address (and so out of the history and of any Referer), hands them in, and asks for the second factor where the
 * account has one. Without them it is the page where a sign-in begins.
 */
export const googleScript = `'use strict';
const answer = new URLSearchParams(location.search);
history.replaceState(null, '', location.pathname);
const start = document.getElementById('start');
const second = document.getElementById('second');
const result = document.getElementById('result');
let mfaToken;

${attemptScript}
async function call(path, body) {
  const reply = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    credentials: 'same-origin',
    signal: AbortSignal.timeout(15000),
    body: JSON.stringify(body),
  });
  const said = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(said.detail || 'That did not work. Please try again later.');
  return said;
}

function signedIn({ user }) {
  start.hidden = second.hidden = true;
  show('done', 'Signed in as ' + user.name + ' (' + user.email + ').');
}

start.addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => location.assign((await call('../google', {})).authorization_url));
});

second.addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(async () => signedIn(await call('../../mfa/verify', { mfa_token: mfaToken, code: second.elements.code.value.trim() })));
});

attempt(async () => {
  start.hidden = false;
  if (answer.has('error')) throw new Error(answer.get('error') === 'access_denied' ? 'You have not signed in with Google.' : 'Google has not signed you in.');
  if (!answer.has('code')) return;
  const outcome = await call('callback', { code: answer.get('code'), state: answer.get('state') || '' });
  if (outcome.status !== 'mfa_required') return signedIn(outcome);
  mfaToken = outcome.mfa_token;
  start.hidden = true;
  second.hidden = false;
});
`;
