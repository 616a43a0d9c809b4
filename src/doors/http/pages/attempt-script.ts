/** For the scripts of pages with `result`: says what has happened, and keeps the buttons still while something is tried. */
export const attemptScript = `function show(kind, message) {
  const line = document.createElement('p');
  line.textContent = message;
  result.className = kind;
  result.replaceChildren(line);
}

async function attempt(work) {
  show('', '');
  for (const one of document.querySelectorAll('button')) one.disabled = true;
  try {
    await work();
  } catch (error) {
    show('failed', error.name === 'Error' ? error.message : 'The service cannot be reached right now. Please try again.');
  } finally {
    for (const one of document.querySelectorAll('button')) one.disabled = false;
  }
}
`;
