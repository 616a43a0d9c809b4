import { createHash } from 'node:crypto';
import { createContext, Script } from 'node:vm';
import { enableTotp } from '../support/authenticator';
import { cookiesOf, GoogleWorld, newGooglePerson, START, startGoogleWorld } from '../support/google-flow';
import { eventually } from '../support/app';
import { newVerified } from '../support/people';

const PATH = '/v1/auth/oauth/google/callback';

interface Stub {
  hidden: boolean;
  className: string;
  textContent: string;
  elements: { code: { value: string } };
  submit(): void;
}

/** As much of a browser as the page's script needs. */
class PageRun {
  readonly elements: Record<string, Stub> = {};
  /** What the address bar shows. */
  address: string;
  /** Where it was sent. */
  left?: string;

  constructor(
    private readonly world: GoogleWorld,
    script: string,
    search: string,
    private cookie = '',
  ) {
    this.address = PATH + search;
    const element = (id: string): Stub => (this.elements[id] ??= this.stub());
    element('start').hidden = element('second').hidden = true;
    new Script(script).runInContext(
      createContext({
        location: {
          search,
          pathname: PATH,
          assign: (url: string) => (this.left = url),
        },
        history: { replaceState: (_state: null, _title: string, url: string) => (this.address = url) },
        document: {
          getElementById: element,
          createElement: () => ({}),
          querySelectorAll: () => [],
        },
        fetch: (path: string, options: RequestInit) => this.fetch(path, options),
        URLSearchParams,
        AbortSignal,
      }),
    );
  }

  get cookies(): string {
    return this.cookie;
  }

  said(): Promise<string> {
    return eventually(async () => this.elements.result?.textContent, 'a word of the page');
  }

  private async fetch(path: string, { method, headers, body }: RequestInit): Promise<Response> {
    const { service } = this.world;
    const origin = new URL(service.config.PUBLIC_URL).origin;
    const reply = await fetch(new URL(path, service.url + PATH), {
      method,
      body,
      headers: {
        ...(headers as Record<string, string>),
        Origin: origin,
        Cookie: this.cookie,
        'X-Forwarded-For': service.client().ip,
      },
    });
    this.cookie ||= reply.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; ');
    return reply;
  }

  private stub(): Stub {
    let onSubmit = (_event: object): void => undefined;
    const stub = {
      hidden: false,
      className: '',
      textContent: '',
      elements: { code: { value: '' } },
      addEventListener: (_type: string, listen: typeof onSubmit) => (onSubmit = listen),
      replaceChildren: (line: { textContent: string }) => (stub.textContent = line.textContent),
      submit: () => onSubmit({ preventDefault: () => undefined }),
    };
    return stub;
  }
}

describe(`GET ${PATH}`, () => {
  let world: GoogleWorld;
  let html: string;
  let reply: Response;
  let script: string;
  beforeAll(async () => {
    world = await startGoogleWorld();
    reply = await fetch(`${world.service.url}${PATH}?code=abc&state=%22%3E%3Cscript%3Ealert(1)%3C/script%3E`);
    html = await reply.text();
    [, script] = /<script>([^]*)<\/script>/.exec(html)! as unknown as [string, string];
  });
  afterAll(() => world.stop());

  /** Begins, and goes to the provider; answers what the provider sends the browser back with. */
  async function goToGoogle(sub: string): Promise<{ search: string; cookie: string }> {
    const begun = await world.service.client().post(START).expect(200);
    const { search } = await world.provider.signIn(begun.body.authorization_url, sub);
    return { search, cookie: cookiesOf(begun) };
  }

  it('is a page that no other site frames, no cache keeps and no Referer tells of', () => {
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
    const policy = reply.headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none';.*frame-ancestors 'none'$/);
    expect(policy).toContain(`script-src 'sha256-${createHash('sha256').update(script).digest('base64')}';`);
    expect(html).not.toContain('alert(1)');
    expect(html).not.toContain('abc');
  });

  it('signs the browser in that comes back from Google, and clears the address', async () => {
    const { sub, email } = newGooglePerson(world);
    const { search, cookie } = await goToGoogle(sub);
    const page = new PageRun(world, script, search, cookie);
    expect(page.address).toBe(PATH);
    await eventually(async () => /^Signed in/.test(await page.said()), 'the sign-in');
    expect(await page.said()).toBe(`Signed in as Asha Rao (${email}).`);
    expect(page.elements).toMatchObject({ start: { hidden: true }, result: { className: 'done' } });
  });

  it('is where one can begin, too', async () => {
    const { sub, email } = newGooglePerson(world);
    const page = new PageRun(world, script, '');
    await eventually(async () => !page.elements.start!.hidden, 'the button');
    page.elements.start!.submit();
    const url = await eventually(async () => page.left, 'the way to Google');
    const { search } = await world.provider.signIn(url, sub);
    const back = new PageRun(world, script, search, page.cookies);
    await eventually(async () => (await back.said()).includes(email), 'the sign-in');
  });

  it('asks for the second factor', async () => {
    const member = await newVerified(world.service);
    const { phone } = await enableTotp(world.service, member);
    const { sub } = newGooglePerson(world, { email: member.person.email });
    const { search, cookie } = await goToGoogle(sub);
    const page = new PageRun(world, script, search, cookie);
    await eventually(async () => !page.elements.second!.hidden, 'the question');
    page.elements.second!.elements.code.value = ` ${phone.wrongCode()} `;
    page.elements.second!.submit();
    await eventually(async () => page.elements.result!.className === 'failed', 'the refusal');
    page.elements.second!.elements.code.value = phone.nextCode();
    page.elements.second!.submit();
    await eventually(async () => page.elements.result!.className === 'done', 'the sign-in');
  });

  it.each([
    ['?error=access_denied&state=x', 'You have not signed in with Google.'],
    ['?error=%3Cb%3Eserver_error&error_description=Call+0900', 'Google has not signed you in.'],
    ['?code=x&state=x', 'This sign-in was used, is too old, or began in another browser. Start again.'],
  ])('says what went wrong: %s', async (search, said) => {
    const page = new PageRun(world, script, search);
    await eventually(async () => page.elements.result?.className === 'failed', 'the trouble');
    expect(await page.said()).toBe(said);
    // And offers to begin again.
    expect(page.elements.start!.hidden).toBe(false);
  });
});
