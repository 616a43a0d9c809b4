/** As much of a browser as a login page needs: cookies, redirects, forms. */
export class Browser {
  private readonly cookies = new Map<string, string>();
  private page = '';
  private at: URL;

  /** @param home the site it stays on; a redirect elsewhere is where it stops. */
  constructor(private readonly home: string) {
    this.at = new URL(home);
  }

  /** Opens an address, and whatever it leads to on this site. */
  async open(url: string): Promise<void> {
    const left = await this.go(url);
    if (left) throw new Error(`${url} leads away to ${left.href}`);
  }

  /** Sends the form of the page. */
  async submit(fields: Record<string, string>): Promise<void> {
    const left = await this.go(this.link(/<form[^>]* action="([^"]+)"/), new URLSearchParams(fields));
    if (left) throw new Error(`the form leads away to ${left.href}`);
  }

  /** Sends the form of the page, which leads to another site. */
  async leaveWith(fields: Record<string, string>): Promise<URL> {
    const left = await this.go(this.link(/<form[^>]* action="([^"]+)"/), new URLSearchParams(fields));
    if (!left) throw new Error(`the form leads nowhere: ${this.page}`);
    return left;
  }

  /** Follows a link of the page to another site. */
  async follow(link: RegExp): Promise<URL> {
    const left = await this.go(this.link(link));
    if (!left) throw new Error(`the link leads nowhere: ${this.page}`);
    return left;
  }

  private link(pattern: RegExp): string {
    const [, link] = pattern.exec(this.page) ?? [];
    if (!link) throw new Error(`nothing like ${pattern} on the page: ${this.page}`);
    return link.replaceAll('&amp;', '&');
  }

  /** @returns the address on another site that it led to, if it did. */
  private async go(url: string, form?: URLSearchParams): Promise<URL | undefined> {
    let next = new URL(url, this.at);
    let body = form;
    for (let hops = 0; hops < 10; hops++) {
      if (next.origin !== new URL(this.home).origin) return next;
      const reply = await fetch(next, {
        method: body ? 'POST' : 'GET',
        body,
        redirect: 'manual',
        headers: { Cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      });
      for (const cookie of reply.headers.getSetCookie()) this.keep(cookie);
      this.at = next;
      this.page = await reply.text();
      const location = reply.headers.get('location');
      if (location === null) return undefined;
      next = new URL(location, next);
      body = undefined;
    }
    throw new Error(`${url} leads round in circles`);
  }

  private keep(cookie: string): void {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
    if (value === '' || /expires=Thu, 01 Jan 1970/i.test(cookie)) this.cookies.delete(name!);
    else this.cookies.set(name!, value!);
  }
}
