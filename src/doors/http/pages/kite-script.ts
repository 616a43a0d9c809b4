import { attemptScript } from './attempt-script';

/**
 * The script of /dev/kite, as the browser runs it. What Kite's login page hands back is taken out of the address (and
 * so out of the history and of any Referer) before anything else, and handed in as soon as somebody is signed in.
 */
export const kiteScript = `'use strict';
const answer = new URLSearchParams(location.search);
history.replaceState(null, '', location.pathname);
const at = (id) => document.getElementById(id);
const [signIn, second, desk, accounts, link, result] = ['sign-in', 'second', 'desk', 'accounts', 'link', 'result'].map(at);
let back = answer.get('status') === 'success' && answer.get('request_token') && answer.get('trading_account_id')
  ? { id: answer.get('trading_account_id'), use: answer.get('use'), requestToken: answer.get('request_token') }
  : undefined;
let accessToken;
let mfaToken;

${attemptScript}
async function send(method, path, body) {
  const reply = await fetch(path, {
    method,
    headers: {
      accept: 'application/json',
      ...(body && { 'content-type': 'application/json' }),
      ...(accessToken && { authorization: 'Bearer ' + accessToken }),
    },
    credentials: 'same-origin',
    signal: AbortSignal.timeout(20000),
    body: body && JSON.stringify(body),
  });
  return { ok: reply.ok, status: reply.status, said: await reply.json().catch(() => ({})) };
}

async function call(method, path, body) {
  let reply = await send(method, path, body);
  if (reply.status === 401 && accessToken && (await resume())) reply = await send(method, path, body);
  if (reply.ok) return reply.said;
  const { errors = [], detail } = reply.said;
  throw new Error(errors.map((error) => error.message).join(' ') || detail || 'That did not work. Please try again later.');
}

/** With the refresh token, which is in a cookie. */
async function resume() {
  accessToken = undefined;
  const { ok, said } = await send('POST', '../v1/auth/refresh', {});
  if (ok) accessToken = said.access_token;
  return ok;
}

function button(text, work) {
  const one = document.createElement('button');
  one.type = 'button';
  one.textContent = text;
  one.addEventListener('click', () => attempt(work));
  return one;
}

function text(kind, words) {
  const one = document.createElement(kind);
  one.textContent = words;
  return one;
}

function entry(account) {
  const path = '../v1/trading-accounts/' + account.trading_account_id;
  const item = document.createElement('li');
  const end = account.session_expires_at ? ', until ' + new Date(account.session_expires_at).toLocaleString() : '';
  item.append(
    text('strong', account.nickname || account.broker_user_id || 'New account'),
    text('small', account.broker + ' ' + (account.broker_user_id || '') + ' · ' + account.status.replace('_', ' ')
      + (account.status === 'active' ? end : '') + ' · ' + account.api_key_masked),
  );
  if (account.login_url) item.append(' ', button('Log in at Kite', () => location.assign(account.login_url)));
  if (account.rotation_login_url) item.append(' ', button('Log in with the new app', () => location.assign(account.rotation_login_url)));
  if (account.status !== 'pending_login') item.append(' ', button('Verify', async () => {
    const { message, credentials_valid } = await call('POST', path + '/verify');
    await refreshAccounts();
    show(credentials_valid ? 'done' : 'failed', message);
  }));
  if (account.is_owner) item.append(' ', button('Unlink', async () => {
    const { message } = await call('DELETE', path);
    await refreshAccounts();
    show('done', message);
  }));
  return item;
}

async function refreshAccounts() {
  const { items } = await call('GET', '../v1/trading-accounts?limit=100');
  const needed = (account) => account.is_owner && (account.status !== 'active' || account.rotation_pending);
  const shown = await Promise.all(items.map((account) =>
    needed(account) ? call('GET', '../v1/trading-accounts/' + account.trading_account_id) : account));
  accounts.replaceChildren(...shown.map(entry));
}

/** Hands in what Kite's login page has sent back: once, whatever comes of it. */
async function finishLogin() {
  if (!back) return;
  const { id, use, requestToken } = back;
  back = undefined;
  await call('POST', '../v1/trading-accounts/' + encodeURIComponent(id) + '/session', { request_token: requestToken, use });
  show('done', 'Logged in at Kite: the account is active.');
}

async function enter() {
  const me = await call('GET', '../v1/users/me');
  signIn.hidden = second.hidden = true;
  desk.hidden = false;
  at('who').textContent = 'Signed in as ' + me.email + '.';
  try {
    await finishLogin();
  } finally {
    await refreshAccounts();
  }
}

async function signedIn(outcome) {
  if (outcome.status === 'mfa_required') {
    mfaToken = outcome.mfa_token;
    signIn.hidden = true;
    second.hidden = false;
    return;
  }
  accessToken = outcome.access_token;
  await enter();
}

function onSubmit(form, work) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(work);
  });
}

onSubmit(signIn, async () => {
  const { email, password } = signIn.elements;
  const wish = { email: email.value, password: password.value, token_delivery: 'cookie' };
  password.value = '';
  await signedIn(await call('POST', '../v1/auth/login', wish));
});

onSubmit(second, async () => {
  const code = second.elements.code.value.trim();
  await signedIn(await call('POST', '../v1/auth/mfa/verify', { mfa_token: mfaToken, code, token_delivery: 'cookie' }));
});

onSubmit(link, async () => {
  const { nickname, api_key, api_secret } = link.elements;
  const account = await call('POST', '../v1/trading-accounts/link', {
    broker: 'kite',
    api_key: api_key.value.trim(),
    api_secret: api_secret.value.trim(),
    ...(nickname.value.trim() && { nickname: nickname.value.trim() }),
  });
  api_secret.value = '';
  location.assign(account.login_url);
});

at('new-app').addEventListener('click', () => attempt(async () => {
  const app = await call('POST', 'kite/apps');
  link.elements.api_key.value = app.api_key;
  link.elements.api_secret.value = app.api_secret;
}));

at('sign-out').addEventListener('click', () => attempt(async () => {
  await call('POST', '../v1/auth/logout', {});
  accessToken = undefined;
  desk.hidden = true;
  signIn.hidden = false;
  accounts.replaceChildren();
}));

attempt(async () => {
  // The service takes cookies from pages at its own address alone: 127.0.0.1 is another one than localhost.
  const home = new URL(signIn.dataset.home);
  if (location.origin !== home.origin) return location.replace(home.href + (answer.size > 0 ? '?' + answer : ''));
  signIn.hidden = false;
  if (answer.has('status') && !back) show('failed', 'You have not logged in at Kite.');
  if (await resume()) await enter();
});
`;
