import { escapeHtml } from '../../../infra/mail/escape-html';
import { htmlPage, Page } from './html-page';
import { pageScript } from './page-script';

export interface PageContent {
  title: string;
  /** The call that the form makes, relative to the page, so that a path prefix in PUBLIC_URL holds. */
  call: string;
  /** Said when the call has worked. */
  done: string;
  /** HTML inside the form, without the button. */
  fields: string;
  button: string;
}

/** A self-contained page around one form that calls the API. Looking at it changes nothing: mail scanners do. */
export function page({ title, call, done, fields, button }: PageContent): Page {
  return htmlPage({
    title,
    script: pageScript,
    body: `<form hidden data-call="${escapeHtml(call)}" data-done="${escapeHtml(done)}">
${fields}
<button type="submit">${escapeHtml(button)}</button>
</form>`,
  });
}
