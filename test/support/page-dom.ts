import { createContext, Script } from 'node:vm';

/** An element, as far as the pages' scripts know one. */
export class StubElement {
  hidden = false;
  disabled = false;
  className = '';
  type = '';
  textContent = '';
  value = '';
  children: (StubElement | string)[] = [];
  dataset: Record<string, string> = {};
  private readonly listeners: Record<string, (event: object) => void> = {};

  constructor(
    readonly tag: string,
    readonly elements: Record<string, StubElement> = {},
  ) {}

  append(...children: (StubElement | string)[]): void {
    this.children.push(...children);
  }

  replaceChildren(...children: (StubElement | string)[]): void {
    this.children = children;
  }

  addEventListener(type: string, listen: (event: object) => void): void {
    this.listeners[type] = listen;
  }

  click(): void {
    this.listeners.click!({});
  }

  submit(): void {
    this.listeners.submit!({ preventDefault: () => undefined });
  }

  /** Everything below, in order. */
  *all(): Generator<StubElement> {
    for (const child of this.children) {
      if (typeof child === 'string') continue;
      yield child;
      yield* child.all();
    }
  }

  get words(): string {
    return [this.textContent, ...[...this.all()].map(({ textContent }) => textContent)]
      .filter(Boolean)
      .join(' | ');
  }
}

export interface PageOptions {
  /** Where the browser is. */
  url: string;
  html: string;
  fetch: (path: string, options: RequestInit) => Promise<Response>;
}

/** A page whose script runs on elements made of its ids and names: as much of a browser as the script needs. */
export class PageStub {
  /** What the address bar shows. */
  address: string;
  /** Where it was sent. */
  left?: string;
  readonly byId: Record<string, StubElement> = {};

  constructor({ url, html, fetch }: PageOptions) {
    const { pathname, search, origin } = new URL(url);
    this.address = pathname + search;
    this.readElements(html);
    const [, script] = /<script>([^]*)<\/script>/.exec(html)!;
    const leave = (to: string): void => void (this.left = to);
    new Script(script!).runInContext(
      createContext({
        location: { pathname, search, origin, assign: leave, replace: leave },
        history: { replaceState: (_state: null, _title: string, to: string) => (this.address = to) },
        document: {
          getElementById: (id: string) => this.byId[id] ?? null,
          createElement: (tag: string) => new StubElement(tag),
          querySelectorAll: () => [],
        },
        fetch,
        URL,
        URLSearchParams,
        AbortSignal,
      }),
    );
  }

  /** An element by its id. @throws Error where the page has none. */
  at(id: string): StubElement {
    const element = this.byId[id];
    if (!element) throw new Error(`the page has no #${id}`);
    return element;
  }

  /** The button with these words. @throws Error where there is none. */
  button(words: string): StubElement {
    for (const root of Object.values(this.byId))
      for (const element of root.all())
        if (element.tag === 'button' && element.textContent === words) return element;
    throw new Error(`there is no button "${words}"`);
  }

  private readElements(html: string): void {
    let form: StubElement | undefined;
    for (const [, tag, attributes] of html.matchAll(/<(\/?\w+)([^>]*)>/g)) {
      if (tag === '/form') form = undefined;
      const [, id] = / id="([\w-]+)"/.exec(attributes!) ?? [];
      if (!id) continue;
      const element = new StubElement(tag!);
      element.hidden = / hidden\b/.test(attributes!);
      for (const [, name, value] of attributes!.matchAll(/ data-([\w-]+)="([^"]*)"/g))
        element.dataset[name!] = value!;
      this.byId[id] = element;
      if (tag === 'form') form = element;
      const [, name] = / name="(\w+)"/.exec(attributes!) ?? [];
      if (form && name) form.elements[name] = element;
    }
  }
}
