import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AuditKey } from '../src/audit/seals/audit-key';
import { CannotCheck } from '../src/audit/proof/proof-source';
import { CommandLine } from './support/command-line';
import { AuditWorld, dayFromToday, verdict } from './support/audit-world';

const NOBODY = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
const DAYS = { [-3]: 5, [-2]: 4, [-1]: 3, 0: 2 };

interface ExportLine {
  link: { event_id: string; event: { data: { b: number }; note?: string } | null };
  key: AuditKey;
  start: { position: number };
  dropped_before: string;
}

describe('an export of the chain', () => {
  let world: AuditWorld;
  let lines: string[];

  /** Verifies the export after somebody has been at its lines. */
  const after = async (attack: (lines: string[]) => string[] | string): Promise<string> => {
    const file = join(world.folder, 'changed');
    const changed = attack([...lines]);
    await writeFile(file, Array.isArray(changed) ? `${changed.join('\n')}\n` : changed);
    return verdict(await (await world.copy()).verifyFile(file));
  };
  /** Index of the line of a position. */
  const at = (position: number): number =>
    lines.findIndex(
      (line) => (JSON.parse(line) as { link?: { position: number } }).link?.position === position,
    );
  const edit = (line: string, change: (line: ExportLine) => void): string => {
    const parsed = JSON.parse(line) as ExportLine;
    change(parsed);
    return JSON.stringify(parsed);
  };

  beforeAll(async () => {
    world = await AuditWorld.create(DAYS);
    lines = (await readFile(await (await world.copy()).export(), 'utf8')).trim().split('\n');
  }, 60_000);
  afterAll(() => world.remove());

  it('is as it was where nobody was at it', async () => {
    expect(await after((all) => all)).toBe('as it was');
  });

  it.each<[string, string, (all: string[]) => string[] | string]>([
    ['a link is removed', 'removed@6', (all) => all.toSpliced(at(6), 1)],
    ['a link is there twice', 'inserted@6', (all) => all.toSpliced(at(6), 0, all[at(6)]!)],
    [
      'two links are exchanged',
      'reordered@6',
      (all) => all.with(at(6), all[at(7)]!).with(at(7), all[at(6)]!),
    ],
    [
      'a link is moved to the end',
      'reordered@6',
      (all) => [...all.toSpliced(at(6), 1).slice(0, -1), all[at(6)]!, all.at(-1)!],
    ],
    [
      'data is changed',
      'changed@6',
      (all) =>
        all.with(
          at(6),
          edit(all[at(6)]!, ({ link }) => (link.event!.data.b = 2)),
        ),
    ],
    [
      'a member is added',
      'changed@5',
      (all) =>
        all.with(
          at(6),
          edit(all[at(6)]!, ({ link }) => (link.event!.note = 'x')),
        ),
    ],
    [
      'the id is changed in the link alone',
      'changed@6',
      (all) =>
        all.with(
          at(6),
          edit(all[at(6)]!, ({ link }) => (link.event_id = NOBODY)),
        ),
    ],
    [
      'an event is taken out of its link',
      'removed@6',
      (all) =>
        all.with(
          at(6),
          edit(all[at(6)]!, ({ link }) => (link.event = null)),
        ),
    ],
    ['a line is no JSON', 'changed@5', (all) => all.with(at(6), 'x')],
    [
      'a seal is removed',
      'seal@12',
      (all) => all.filter((line) => !line.includes(`"seal":{"day":"${dayFromToday(-2)}"`)),
    ],
    ['it was cut off behind a line', 'truncated@14', (all) => all.slice(0, at(14))],
    [
      'it was cut off within a line',
      'truncated@14',
      (all) => all.join('\n').slice(0, all.slice(0, at(14)).join('\n').length + 40),
    ],
    [
      'sealed links are cut off, and its end kept',
      'removed@11',
      (all) => [...all.slice(0, at(11)), all.at(-1)!],
    ],
    [
      'links of today are cut off, and its end kept',
      'removed@14',
      (all) => [...all.slice(0, at(14)), all.at(-1)!],
    ],
    [
      'it claims to begin later',
      'removed@1',
      (all) => [
        edit(all[0]!, ({ start }) => (start.position = 5)),
        ...all.slice(1, at(1)),
        ...all.slice(at(6)),
      ],
    ],
    [
      'it claims that old events were dropped',
      'removed@1',
      (all) => [
        edit(all[0]!, (header) => (header.dropped_before = dayFromToday(-1))),
        ...all.slice(1, at(1)),
        ...all.slice(at(6)),
      ],
    ],
  ])('is not as it was when %s', async (_, expected, attack) => {
    expect(await after(attack)).toBe(expected);
  });

  it.each<[string, (all: string[]) => string[] | string]>([
    ['is empty', () => ''],
    ['is something else', () => ['{"events":[]}']],
    ['is no text', () => '\0\x01\x02'],
    ['is of a later version', (all) => [all[0]!.replace('"version":1', '"version":2'), ...all.slice(1)]],
  ])('cannot be checked where it %s', async (_, attack) => {
    await expect(after(attack)).rejects.toThrow(CannotCheck);
  });

  it('cannot be checked where it is not there', async () => {
    await expect((await world.copy()).verifyFile(join(world.folder, 'none'))).rejects.toThrow(CannotCheck);
  });

  it('is checked with the keys that can be read, of those from elsewhere', async () => {
    const copy = await world.copy();
    const file = await copy.export();
    const own = lines.flatMap((line) =>
      line.startsWith('{"key"') ? [(JSON.parse(line) as ExportLine).key] : [],
    );
    const unreadable: object[] = [
      { kid: 'x', kty: 'RSA' },
      { ...own[0], n: '' },
      { ...own[0], n: 7 },
      { ...own[0], key_ops: ['sign'] },
    ];
    for (const key of unreadable as AuditKey[]) {
      const mixed = await copy.verifyFile(file, { keys: [key, ...own] });
      const alone = await copy.verifyFile(file, { keys: [key] });
      const live = await copy.verify({}, { keys: [key] });
      expect([verdict(mixed), verdict(alone), verdict(live)]).toEqual(['as it was', 'seal@5', 'seal@5']);
      expect(alone.findings.first!.detail).toContain('there is no key');
    }
  });

  it('holds the days that were asked for, from the seal before on', async () => {
    const copy = await world.copy();
    for (const [range, links] of [
      [{ from: dayFromToday(-2) }, 9],
      [{ from: dayFromToday(-2), to: dayFromToday(-1) }, 7],
      [{ to: dayFromToday(-3) }, 5],
      [{ from: dayFromToday(0) }, 2],
      [{ from: dayFromToday(-100), to: dayFromToday(-50) }, 0],
    ] as const) {
      const live = await copy.verify(range);
      const file = await copy.verifyFile(await copy.export(range));
      expect([verdict(live), live.links, verdict(file), file.links]).toEqual([
        'as it was',
        links,
        'as it was',
        links,
      ]);
    }
  });

  it('does not look at what is outside of the days that were asked for', async () => {
    const copy = await world.copy();
    await copy.attack(
      `UPDATE events SET actor = 'x' WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 8)`,
    );
    expect(verdict(await copy.verify({ from: dayFromToday(-1) }))).toBe('as it was');
    expect(verdict(await copy.verify({ to: dayFromToday(-3) }))).toBe('as it was');
    expect(verdict(await copy.verify({ from: dayFromToday(-2) }))).toBe('changed@8');
  });

  describe('on the command line', () => {
    let commands: CommandLine;
    const offline = {
      env: {
        DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
        REDIS_URL: 'redis://127.0.0.1:1',
        JWT_KEY_BITS: 'no number',
      },
    };

    beforeAll(() => {
      const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl } = world.config;
      commands = new CommandLine({ databaseUrl, redisUrl });
    });
    afterAll(() => commands.remove());

    it('is written, proved without database and configuration, and refuted with 1', async () => {
      await world.copy();
      const file = join(world.folder, 'cli.ndjson');
      expect(await commands.run(['audit', 'export', '--out', file])).toMatchObject({ code: 0, stdout: '' });
      const good = await commands.run(['audit', 'verify', '--export', file], offline);
      expect([good.code, good.stdout.split('\n')[0]]).toEqual([0, 'Everything is as it was.']);
      expect(good.stdout).toMatch(/events +14\n.*links +14\n.*seals +3\n/);

      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace('"name 2"', '"name 3"'));
      const bad = await commands.run(['audit', 'verify', '--export', file], offline);
      expect([bad.code, bad.stdout.split('\n')[0]]).toEqual([
        1,
        expect.stringMatching(
          /^NOT as it was\. .*: position 3, day \d{4}-\d\d-\d\d, event [\w-]{36}: changed: /,
        ),
      ]);
    }, 60_000);

    it('is checked with keys from a file or an address, and seals that were kept', async () => {
      await world.copy();
      const keys = lines.flatMap((line) =>
        line.startsWith('{"key"') ? [(JSON.parse(line) as ExportLine).key] : [],
      );
      const keyFile = join(world.folder, 'keys.json');
      await writeFile(keyFile, JSON.stringify({ keys }));
      const sealFile = join(world.folder, 'seals.txt');
      const seals = await commands.run(['audit', 'seals']);
      expect(seals.stdout.trim().split('\n')).toHaveLength(3);
      await writeFile(sealFile, seals.stdout);
      const server = createServer((_, reply) => reply.end(JSON.stringify({ keys: [] })));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
        const [good, none, away] = await Promise.all([
          commands.run(['audit', 'verify', '--keys', keyFile, '--seals', sealFile]),
          commands.run(['audit', 'verify', '--keys', url]),
          commands.run(['audit', 'verify', '--keys', 'http://127.0.0.1:1/']),
        ]);
        expect([good.code, none.code, away.code]).toEqual([0, 1, 2]);
        expect(none.stdout).toContain('there is no key');
      } finally {
        server.close();
      }
    }, 60_000);

    it('ends with 2 where nothing could be checked', async () => {
      const outcomes = await Promise.all([
        commands.run(['audit', 'verify'], offline),
        commands.run(['audit', 'verify', '--from', '2026-02-31']),
        commands.run(['audit', 'verify', '--export', '/none'], offline),
      ]);
      expect(outcomes.map(({ code, stdout }) => [code, stdout])).toEqual([
        [2, ''],
        [2, ''],
        [2, ''],
      ]);
      expect(outcomes.every(({ stderr }) => /could not be checked|cannot be used/.test(stderr))).toBe(true);
    }, 60_000);
  });
});
