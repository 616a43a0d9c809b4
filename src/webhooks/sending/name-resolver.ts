import { Injectable } from '@nestjs/common';
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';

const LOCAL_NAME = /(^|\.)localhost\.?$/i;
/** Of a question to a name server; it is asked twice. */
const PATIENCE_MS = 2_000;

/**
 * What names mean. It asks the name servers itself, with a resolver for each question: the system's own way (`dns.lookup`)
 * would have a name server that does not answer hold threads that all of the process shares. The hosts file counts for
 * nothing, therefore.
 */
@Injectable()
export class NameResolver {
  /**
   * @returns all addresses of a host; those that are one are their own.
   * @throws Error with the code of the name server's answer; of anything where the signal has fired.
   */
  async addressesOf(host: string, signal: AbortSignal): Promise<string[]> {
    const literal = host.replace(/^\[|\]$/g, '');
    if (isIP(literal) !== 0) return [literal];
    // RFC 6761 section 6.3: not to be asked of name servers.
    if (LOCAL_NAME.test(host)) return ['127.0.0.1', '::1'];
    signal.throwIfAborted();
    const resolver = this.newResolver();
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      const [refusal] = answers.flatMap((answer) =>
        answer.status === 'rejected' ? [answer.reason as Error] : [],
      );
      if (addresses.length === 0 && refusal) throw refusal;
      return addresses;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** One that asks the machine's name servers. */
  protected newResolver(): Resolver {
    return new Resolver({ timeout: PATIENCE_MS, tries: 2 });
  }
}
