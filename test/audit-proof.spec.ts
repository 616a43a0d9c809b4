import { CompactSign, decodeProtectedHeader, exportJWK, generateKeyPair, calculateJwkThumbprint } from 'jose';
import { AuditKey } from '../src/audit/seals/audit-key';
import { sealDigest } from '../src/audit/seals/seal';
import { AuditCopy, AuditWorld, dayFromToday, verdict } from './support/audit-world';

/** Positions 1–5, 6–10, none, 11–15, and 16–18 today, which is not sealed. */
const DAYS = { [-4]: 5, [-3]: 5, [-2]: 0, [-1]: 5, 0: 3 };
const SWAP = (a: number, b: number, ...columns: string[]): string =>
  `UPDATE event_chain c SET ${columns.map((column) => `${column} = other.${column}`).join(', ')}
   FROM event_chain other WHERE (c.position, other.position) IN ((${a}, ${b}), (${b}, ${a}))`;

/** An event at a position; the condition works on `events e`. */
const eventAt = (position: number): string =>
  `(e.event_id, e."timestamp") = (SELECT event_id, "timestamp" FROM event_chain WHERE position = ${position})`;
const change = (position: number, set: string): string =>
  `UPDATE events e SET ${set} WHERE ${eventAt(position)}`;
const NEW_EVENT = `INSERT INTO events (event_id, event_type, "timestamp", source, priority, subject, actor, data, metadata)
  SELECT '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10', 'user.updated', "timestamp", 'x', 'normal', 'user:1', 'user:1', '{}', '{}'
  FROM event_chain WHERE position = 7`;
const linkIt = (position: number, day = 'day'): string =>
  `INSERT INTO event_chain SELECT ${position}, ${day}, e.event_id, e."timestamp", '\\x00', '\\x00'
   FROM event_chain c, events e WHERE c.position = 8 AND e.event_id = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10'`;
const RENUMBER = [
  `UPDATE event_chain SET position = position + 1000 WHERE position >= 7`,
  `UPDATE event_chain SET position = position - 999 WHERE position > 1000`,
];
const HEAD = `UPDATE event_relay SET (chain_position, chain_hash) =
  (SELECT position, hash FROM event_chain ORDER BY position DESC LIMIT 1)`;

describe('audit verify', () => {
  let world: AuditWorld;

  beforeAll(async () => {
    world = await AuditWorld.create(DAYS);
  }, 60_000);
  afterAll(() => world.remove());

  const both = async (copy: AuditCopy): Promise<string[]> => [
    verdict(await copy.verify()),
    verdict(await copy.verifyFile(await copy.export())),
  ];

  it('finds nothing wrong where nothing was done, in the database and in its export', async () => {
    const copy = await world.copy();
    const live = await copy.verify();
    expect(live.findings.first).toBeUndefined();
    const { findings: _, ...numbers } = live;
    expect(numbers).toEqual({
      from: null,
      to: null,
      events: 18,
      links: 18,
      seals: 4,
      unsealed: 3,
      unsealedSince: dayFromToday(0),
      // What the making of keys has recorded: no relay runs here.
      unlinked: numbers.unlinked,
      erased: 0,
      dropped: 0,
      isDroppedProved: true,
    });
    const file = await copy.verifyFile(await copy.export());
    expect({ ...file, findings: file.findings.first }).toEqual({ ...numbers, findings: undefined });
  });

  it.each([
    ['its data', 7, 'changed@7', [change(7, `data = data || '{"b": 1.6}'`)]],
    [
      'its time, by a microsecond',
      7,
      'removed@7',
      [change(7, `"timestamp" = e."timestamp" + interval '1 microsecond'`)],
    ],
    ['its actor', 16, 'changed@16', [change(16, `actor = 'user:somebody-else'`)]],
    ['its digest of personal data', 3, 'changed@3', [change(3, `personal_digests = '{"metadata": "x"}'`)]],
    ['that it has a digest', 3, 'changed@3', [change(3, `personal_digests = NULL`)]],
    [
      'it, and what its link says of it',
      7,
      'changed@7',
      [
        change(7, `actor = 'user:somebody-else'`),
        `UPDATE event_chain SET event_hash = '\\x00' WHERE position = 7`,
      ],
    ],
    [
      'two of them: the first is named',
      4,
      'changed@4',
      [change(12, `data = '{}'`), change(4, `data = '{}'`)],
    ],
  ])('finds an event of which somebody has changed %s', async (_, position, expected, attack) => {
    const copy = await world.copy();
    const [link] = await copy.attack<{ id: string }>(
      `SELECT event_id AS id FROM event_chain WHERE position = ${position}`,
    );
    await copy.attack(...attack);
    expect(await both(copy)).toEqual([expected, expected]);
    const { first } = (await copy.verify()).findings;
    expect([first?.eventId, first?.day]).toEqual([
      link!.id,
      dayFromToday(position > 15 ? 0 : position > 10 ? -1 : position > 5 ? -3 : -4),
    ]);
  });

  it('finds a time that was changed by a microsecond together with its link', async () => {
    const copy = await world.copy();
    const later = `"timestamp" + interval '1 microsecond'`;
    await copy.attack(
      change(7, `"timestamp" = e.${later}`),
      `UPDATE event_chain SET "timestamp" = ${later} WHERE position = 7`,
    );
    expect(await both(copy)).toEqual(['changed@7', 'changed@7']);
  });

  it.each([
    ['an event without its link', 'removed@7', [`DELETE FROM events e WHERE ${eventAt(7)}`]],
    [
      'an event with its link',
      'removed@7',
      [`DELETE FROM events e WHERE ${eventAt(7)}`, `DELETE FROM event_chain WHERE position = 7`],
    ],
    [
      'the first',
      'removed@1',
      [`DELETE FROM events e WHERE ${eventAt(1)}`, `DELETE FROM event_chain WHERE position = 1`],
    ],
    [
      'an event with its link, and closed the gap',
      'removed@7',
      [
        `DELETE FROM events e WHERE ${eventAt(7)}`,
        `DELETE FROM event_chain WHERE position = 7`,
        `UPDATE event_chain SET position = position - 1 WHERE position > 7`,
      ],
    ],
    [
      'what is not sealed yet',
      'removed@17',
      [
        `DELETE FROM events e WHERE ${eventAt(17)} OR ${eventAt(18)}`,
        `DELETE FROM event_chain WHERE position >= 17`,
      ],
    ],
    [
      'the end of the chain, after it was sealed',
      'removed@14',
      [
        ...[14, 15, 16, 17, 18].map((position) => `DELETE FROM events e WHERE ${eventAt(position)}`),
        `DELETE FROM event_chain WHERE position >= 14`,
        HEAD,
      ],
    ],
  ])('finds that somebody has removed %s', async (_, expected, attack) => {
    const copy = await world.copy();
    await copy.attack(...attack);
    expect(await both(copy)).toEqual([expected, expected]);
  });

  it.each([
    ['without a link', 'inserted@none', [NEW_EVENT]],
    ['with a link at the end', 'inserted@19', [NEW_EVENT, linkIt(19, 'day + 3')]],
    ['with a link of a position that there is', 'inserted@7', [NEW_EVENT, linkIt(7, 'day + 1')]],
    ['with a link in between', 'inserted@7', [NEW_EVENT, ...RENUMBER, linkIt(7), HEAD]],
  ])('finds an event that was inserted %s', async (_, expected, attack) => {
    const copy = await world.copy();
    await copy.attack(...attack);
    expect(await both(copy)).toEqual([expected, expected]);
  });

  it('finds an event that is linked twice', async () => {
    const copy = await world.copy();
    await copy.attack(
      `INSERT INTO event_chain SELECT 19, (SELECT max(day) FROM event_chain), event_id, "timestamp", event_hash, hash
       FROM event_chain WHERE position = 7`,
    );
    await copy.relink(19);
    expect(await both(copy)).toEqual(['inserted@19', 'inserted@19']);
  });

  it.each([
    ['with their hashes', 6, [SWAP(6, 7, 'event_id', '"timestamp"', 'event_hash', 'hash')]],
    ['but for their hashes in the chain', 6, [SWAP(6, 7, 'event_id', '"timestamp"', 'event_hash')]],
    ['but for all hashes', 6, [SWAP(6, 7, 'event_id', '"timestamp"')]],
    ['far from each other', 2, [SWAP(2, 13, 'event_id', '"timestamp"', 'event_hash', 'hash')]],
    ['far from each other, but for all hashes', 2, [SWAP(2, 13, 'event_id', '"timestamp"')]],
  ])('finds two events that were exchanged %s', async (_, position, attack) => {
    const copy = await world.copy();
    await copy.attack(...attack);
    expect(await both(copy)).toEqual([`reordered@${position}`, `reordered@${position}`]);
  });

  it.each([
    ['its hash', `hash = decode(repeat('ab', 32), 'hex')`],
    ['its hash of the event', `event_hash = decode(repeat('ab', 32), 'hex')`],
  ])('finds a link of which somebody has changed %s', async (_, set) => {
    const copy = await world.copy();
    await copy.attack(`UPDATE event_chain SET ${set} WHERE position = 17`);
    expect(await both(copy)).toEqual(['changed@17', 'changed@17']);
  });

  it('finds a link that was moved to another day, sealed or not', async () => {
    const copy = await world.copy();
    await copy.attack(`UPDATE event_chain SET day = '${dayFromToday(-2)}' WHERE position = 10`);
    expect(await both(copy)).toEqual(['seal@10', 'seal@10']);
    const other = await world.copy();
    await other.attack(`UPDATE event_chain SET day = '${dayFromToday(-1)}' WHERE position = 17`);
    expect(await both(other)).toEqual(['seal@17', 'seal@17']);
  });

  it.each([
    ['the first of a day', 6, 6, -4],
    ['all of a day', 6, 10, -4],
    ['all of a day, to the one after', 6, 10, -1],
    ['the first that is not sealed', 16, 16, -1],
    ['all that are not sealed', 16, 18, -1],
  ])('finds that %s were moved to the day beside theirs', async (_, first, last, day) => {
    const copy = await world.copy();
    await copy.attack(
      `UPDATE event_chain SET day = '${dayFromToday(day)}' WHERE position BETWEEN ${first} AND ${last}`,
    );
    expect(await both(copy)).toEqual([`seal@${first}`, `seal@${first}`]);
  });

  it('finds by the seal that everything was made anew after a change', async () => {
    const copy = await world.copy();
    await copy.attack(change(7, `actor = 'user:somebody-else'`));
    await copy.relink(7);
    expect(await both(copy)).toEqual(['seal@10', 'seal@10']);
  });

  it('cannot see what was made anew before it was sealed', async () => {
    const copy = await world.copy();
    await copy.attack(change(17, `actor = 'user:somebody-else'`));
    await copy.relink(17);
    expect(await both(copy)).toEqual(['as it was', 'as it was']);
  });

  describe('and the seals', () => {
    const day = (days: number): string => `day = '${dayFromToday(days)}'`;

    it.each([
      ['removed in between', 'seal@15', [`DELETE FROM event_seals WHERE ${day(-2)}`]],
      ['removed at the beginning', 'seal@10', [`DELETE FROM event_seals WHERE ${day(-4)}`]],
      [
        'exchanged with another',
        'seal@5',
        [
          `UPDATE event_seals s SET jws = o.jws FROM event_seals o WHERE (s.day, o.day) IN
          (('${dayFromToday(-4)}', '${dayFromToday(-3)}'), ('${dayFromToday(-3)}', '${dayFromToday(-4)}'))`,
        ],
      ],
      ['changed beside its signature', 'seal@10', [`UPDATE event_seals SET head = '\\x00' WHERE ${day(-3)}`]],
      [
        'changed in its signature',
        'seal@10',
        [`UPDATE event_seals SET jws = overlay(jws placing 'AAAA' from length(jws) - 20) WHERE ${day(-3)}`],
      ],
      ['whose key is not there', 'seal@5', [`DELETE FROM signing_keys WHERE use = 'audit'`]],
      [
        'whose key was revoked before',
        'seal@5',
        [`UPDATE signing_keys SET revoked_at = now() - interval '1 day' WHERE use = 'audit'`],
      ],
    ])('finds one that was %s', async (_, expected, attack) => {
      const copy = await world.copy();
      await copy.attack(...attack);
      expect(await both(copy)).toEqual([expected, expected]);
    });

    it('believes those of a key that was revoked later', async () => {
      const copy = await world.copy();
      await copy.attack(`UPDATE signing_keys SET revoked_at = now() + interval '1 hour' WHERE use = 'audit'`);
      expect(await both(copy)).toEqual(['as it was', 'as it was']);
    });

    it('finds that all were signed anew with another key, where the keys come from elsewhere', async () => {
      const copy = await world.copy();
      const file = await copy.export();
      const keys = (await lines(file)).flatMap(({ key }) => (key ? [key as AuditKey] : []));
      await copy.attack(change(7, `actor = 'user:somebody-else'`));
      await copy.relink(7);
      await signAnew(copy);
      expect(await both(copy)).toEqual(['as it was', 'as it was']);
      expect(verdict(await copy.verify({}, { keys }))).toBe('seal@5');
      expect(verdict(await copy.verifyFile(await copy.export(), { keys }))).toBe('seal@5');
    });

    it('finds another key under the name of one that was known', async () => {
      const copy = await world.copy();
      await copy.attack(
        `UPDATE signing_keys SET public_jwk = public_jwk || jsonb_build_object('n', (
           SELECT public_jwk->'n' FROM signing_keys WHERE use = 'access' LIMIT 1)) WHERE use = 'audit'`,
      );
      expect(await both(copy)).toEqual(['seal@5', 'seal@5']);
    });

    it('finds that the last is gone, or is another, where it was kept', async () => {
      const copy = await world.copy();
      const kept = await copy.attack<{ jws: string }>('SELECT jws FROM event_seals ORDER BY day');
      const options = { kept: kept.map(({ jws }) => jws) };
      expect(verdict(await copy.verify({}, options))).toBe('as it was');
      await copy.attack(`DELETE FROM event_seals WHERE ${day(-1)}`);
      expect(verdict(await copy.verify())).toBe('as it was');
      expect(verdict(await copy.verify({}, options))).toBe('seal@15');
      await copy.attack(change(12, `actor = 'user:somebody-else'`));
      await copy.relink(12);
      expect(await copy.seal()).toEqual([dayFromToday(-1)]);
      expect(verdict(await copy.verify())).toBe('as it was');
      expect(verdict(await copy.verify({}, options))).toBe('seal@15');
    });
  });

  describe('and personal data', () => {
    it('finds what was changed, or added', async () => {
      const copy = await world.copy();
      await copy.attack(`UPDATE event_personal_data p SET content = content || '{"ip": "198.51.100.1"}'
        WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 7)`);
      expect(verdict(await copy.verify())).toBe('changed@7');

      const other = await world.copy();
      await other.attack(
        `INSERT INTO event_personal_data SELECT event_id, "timestamp", 'data', NULL, salt, content FROM event_personal_data LIMIT 1`,
      );
      expect(verdict(await other.verify())).toBe('inserted@none');

      const third = await world.copy();
      await third.attack(
        `INSERT INTO event_personal_data SELECT gen_random_uuid(), "timestamp", part, NULL, salt, content FROM event_personal_data LIMIT 1`,
      );
      expect(verdict(await third.verify())).toBe('inserted@none');
    });

    it('lets it be erased, and says how much is gone', async () => {
      const copy = await world.copy();
      await copy.attack(
        `DELETE FROM event_personal_data WHERE event_id IN (SELECT event_id FROM event_chain WHERE position < 8)`,
      );
      const report = await copy.verify();
      expect([verdict(report), report.erased]).toEqual(['as it was', 7]);
    });

    it('leaves it out of exports', async () => {
      const copy = await world.copy();
      const [{ count }] = (await copy.attack<{ count: string }>(
        `SELECT count(*) FROM event_personal_data WHERE content->>'ip' = '203.0.113.7'`,
      )) as [{ count: string }];
      expect(Number(count)).toBe(18);
      expect(JSON.stringify(await lines(await copy.export()))).not.toMatch(
        /203\.0\.113\.7|test .{0,3}browser/,
      );
    });
  });

  /** What an attacker with all rights does who makes a key of their own. */
  async function signAnew(copy: AuditCopy): Promise<void> {
    const pair = await generateKeyPair('RS256', { extractable: true });
    const { kty, n, e } = (await exportJWK(pair.publicKey)) as { kty: string; n: string; e: string };
    const kid = await calculateJwkThumbprint({ kty, n, e });
    const jwk = JSON.stringify({ kty, n, e, kid, use: 'sig', alg: 'RS256' });
    const seals = await copy.attack<Record<'day' | 'first' | 'last' | 'head' | 'jws', string>>(
      `UPDATE event_seals s SET head = coalesce((SELECT hash FROM event_chain WHERE position = s.last_position), head)`,
      `SELECT day::text, first_position AS first, last_position AS last, encode(head, 'hex') AS head, jws FROM event_seals ORDER BY day`,
    );
    let previous: string | null = null;
    const statements = [
      `DELETE FROM signing_keys WHERE use = 'audit'`,
      `INSERT INTO signing_keys (kid, use, alg, public_jwk, wrapped_secret, created_at, activates_at)
       VALUES ('${kid}', 'audit', 'RS256', '${jwk}', '\\x00', now(), now())`,
    ];
    for (const { day, first, last, head, jws: old } of seals) {
      const payload = {
        iss: 'http://id.test',
        day,
        first_position: Number(first),
        last_position: Number(last),
        head,
        previous,
        iat: 1,
      };
      const jws = await new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ ...decodeProtectedHeader(old), alg: 'RS256', kid })
        .sign(pair.privateKey);
      previous = sealDigest(jws);
      statements.push(`UPDATE event_seals SET jws = '${jws}', kid = '${kid}' WHERE day = '${day}'`);
    }
    await copy.attack(...statements);
  }
});

async function lines(file: string): Promise<Record<string, unknown>[]> {
  const { readFile } = await import('node:fs/promises');
  return (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
