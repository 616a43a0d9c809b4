/**
 * The script of the pages, as the browser runs it. It takes the token out of the address (and so out of the history
 * and of any Referer), and sends it only when the person presses the button.
 */
export const pageScript = `'use strict';
const token = new URLSearchParams(location.search).get('token');
history.replaceState(null, '', location.pathname);
const form = document.querySelector('form');
const result = document.getElementById('result');

function show(kind, messages) {
  result.className = kind;
  result.replaceChildren(...messages.map((message) => {
    const line = document.createElement('p');
    line.textContent = message;
    return line;
  }));
}

async function send() {
  const reply = await fetch(form.dataset.call, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    credentials: 'omit',
    signal: AbortSignal.timeout(15000),
    body: JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) }),
  });
  if (reply.ok) {
    form.hidden = true;
    show('done', [form.dataset.done]);
    return;
  }
  const problem = await reply.json().catch(() => ({}));
  const messages = (problem.errors || []).map((error) => error.message);
  show('failed', messages.length ? messages : [problem.detail || 'That did not work. Please try again later.']);
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  show('', []);
  try {
    await send();
  } catch {
    show('failed', ['The service cannot be reached right now. Please try again.']);
  } finally {
    button.disabled = false;
  }
});

document.getElementById('reveal')?.addEventListener('change', (event) => {
  form.elements.new_password.type = event.target.checked ? 'text' : 'password';
});

if (token) form.hidden = false;
else show('failed', ['This link is incomplete. Please open it from the mail once more.']);
`;
