import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { isIP } from 'node:net';
import { isPublicAddress } from './sending/public-address';
import { webhookUrl } from './webhook-url';

const PRIVATE = ['10.0.0.0/8', 'fd00::/8'];

const ajv = new Ajv();
addFormats(ajv);
/** RFC 3986, as whoever reads the OpenAPI document checks it. */
const isUri = ajv.compile({ type: 'string', format: 'uri' });

describe('the URL of a webhook', () => {
  const read = (text: string, networks: string[]): { url?: string; problem?: string } =>
    webhookUrl(text, networks);

  it('is, whatever is sent, an https URI with a public host; and stays what it is when it is read again', () => {
    const part = fc.oneof(
      fc.constantFrom(
        'https://',
        'http://',
        'HTTPS:',
        '//',
        '@',
        ':',
        '.',
        '#',
        '?',
        '%',
        '[',
        ']',
        '\\',
        '0x7f',
      ),
      fc.constantFrom(
        'localhost',
        '127.0.0.1',
        'example.com',
        '::1',
        '::ffff:',
        'local',
        '10.1',
        '%2e',
        '%40',
        '/',
      ),
      fc.webUrl(),
      fc.ipV4Extended(),
      fc.ipV6().map((ip) => `[${ip}]`),
      fc.domain(),
      fc.string({ unit: 'binary', maxLength: 5 }),
    );
    const anything = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
    const nearly = fc
      .tuple(
        fc.constantFrom('https://', 'https://', 'http://'),
        fc.oneof(part, anything),
        fc.oneof(part, fc.constant('')),
      )
      .map((parts) => parts.join(''));
    let good = 0;
    fc.assert(
      fc.property(fc.oneof(anything, nearly), fc.constantFrom([], PRIVATE), (text, networks) => {
        const { url, problem } = read(text, networks);
        if (url === undefined) return expect(problem).toMatch(/^must [a-z].*\S$/);
        good++;
        expect([text, isUri(text), isUri(url)]).toEqual([text, true, true]);
        expect(read(url, networks)).toEqual({ url });
        const { protocol, hostname, username, password, hash } = new URL(url);
        expect([username, password, hash]).toEqual(['', '', '']);
        const address = hostname.replace(/[[\]]/g, '');
        if (isIP(address) === 0) expect([protocol, hostname.includes('.')]).toEqual(['https:', true]);
        else expect([url, isPublicAddress(address, networks)]).toEqual([url, true]);
      }),
      { numRuns: 20_000 },
    );
    expect(good).toBeGreaterThan(500);
  });
});
