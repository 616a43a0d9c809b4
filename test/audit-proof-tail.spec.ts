import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../src/common/ids';
import { CannotCheck } from '../src/audit/proof/proof-source';
import { proofText } from '../src/audit/proof/proof-text';
import { ProofOptions, ProofReport } from '../src/audit/proof/verify-chain';
import { CanonicalEvent, eventHash, linkHash } from '../src/infra/events/chain-hash';
import { AuditKey } from '../src/audit/seals/audit-key';
import { AuditWorld, dayFromToday, verdict } from './support/audit-world';

/** Positions 1–3, 4–6, 7–10, and 11 today, which is not sealed. */
const DAYS = { [-3]: 3, [-2]: 3, [-1]: 4, 0: 1 };

interface ExportLine {
  to?: string | null;
  exported_at?: string;
  link?: { position: number; day: string; hash: string; event: CanonicalEvent };
  seal?: { day: string; jws: string };
  key?: AuditKey;
  end?: { head: { position: number; hash: string } | null };
}

describe('the end of an export', () => {
  let world: AuditWorld;
  let lines: ExportLine[];
  /** Of all days, and all keys: as somebody kept them who trusts nothing in a file. */
  let kept: Required<Pick<ProofOptions, 'kept' | 'keys'>>;

  beforeAll(async () => {
    world = await AuditWorld.create(DAYS);
    lines = await exported();
    kept = {
      kept: lines.flatMap(({ seal }) => seal?.jws ?? []),
      keys: lines.flatMap(({ key }) => key ?? []),
    };
  }, 60_000);
  afterAll(() => world.remove());

  const exported = async (to?: number): Promise<ExportLine[]> => {
    const file = await (await world.copy()).export(to === undefined ? {} : { to: dayFromToday(to) });
    const text = (await readFile(file, 'utf8')).trim().split('\n');
    return text.map((line) => JSON.parse(line) as ExportLine);
  };
  const proofOf = async (text: string): Promise<ProofReport> => {
    const file = join(world.folder, 'changed');
    await writeFile(file, text);
    return (await world.copy()).verifyFile(file, kept);
  };
  const textOf = (all: object[], tail = ''): string =>
    all.map((line) => `${JSON.stringify(line)}\n`).join('') + tail;
  /**
   * Of the first so many links, as if it had been asked for up to a day; with the seals up to another. Written when clocks
   * that differ agreed that yesterday was over.
   */
  const cut = (links: number, to: number, sealedUntil: number, more: ExportLine[] = []): ExportLine[] => [
    { ...lines[0], to: dayFromToday(to), exported_at: `${dayFromToday(0)}T00:02:00.000Z` },
    ...lines.filter(({ key, seal }) => key ?? (seal && seal.day <= dayFromToday(sealedUntil))),
    ...lines.filter(({ link }) => link && link.position <= links),
    ...more,
    { end: { unlinked: 0, head: null } } as ExportLine,
  ];
  /** Links that nobody ever recorded, each made after the one before. */
  const invented = (from: number, count: number, day: number): ExportLine[] => {
    const like = lines.find(({ link }) => link?.position === from)!.link!;
    const before = lines.find(({ link }) => link?.position === from - 1)!.link!.hash;
    const links: ExportLine[] = [];
    for (let position = from, hash = Buffer.from(before, 'hex'); position < from + count; position++) {
      const event = { ...like.event, event_id: newId(), actor: 'user:forged' };
      const hashOf = eventHash(event);
      hash = linkHash(hash, position, hashOf) as Buffer<ArrayBuffer>;
      const link = {
        ...like,
        position,
        day: dayFromToday(day),
        event_id: event.event_id,
        event_hash: hashOf.toString('hex'),
        hash: hash.toString('hex'),
        event,
      };
      links.push({ link });
    }
    return links;
  };

  it('is where the days that were asked for end: no seal and no link is written behind it', async () => {
    const genuine = await exported(-2);
    expect(verdict(await proofOf(textOf(genuine)))).toBe('as it was');
    expect(genuine.flatMap(({ seal }) => seal?.day ?? []).at(-1)).toBe(dayFromToday(-2));
    expect(genuine.flatMap(({ link }) => link?.day ?? []).at(-1)).toBe(dayFromToday(-2));
  });

  it.each<[string, number, number]>([
    ['of the day after, before the seal that was left', -1, -1],
    ['of the day after, without its seal', -2, -1],
    ['of the last day itself, before the seal that was left', -1, -2],
    ['of the last day itself', -2, -2],
  ])('is nothing that was invented behind the days that were asked for: %s', async (_, sealed, day) => {
    const report = await proofOf(textOf(cut(6, -2, sealed, invented(7, 3, day))));
    expect(verdict(report)).toBe(day === -2 && sealed === -2 ? 'seal@7' : 'inserted@7');
  });

  it('does not come before a seal that was left in it', async () => {
    expect(verdict(await proofOf(textOf(cut(6, -2, -1))))).toBe('inserted@7');
    expect(verdict(await proofOf(textOf(cut(3, -3, -1))))).toBe('inserted@4');
  });

  it('has no link behind it, and no event, key or seal', async () => {
    for (const line of [
      ...invented(7, 1, -2),
      { event: lines.find(({ link }) => link)!.link!.event },
      lines.find(({ key }) => key)!,
      lines.find(({ seal }) => seal)!,
    ])
      expect((await proofOf(textOf([...cut(6, -2, -2), line]))).findings.total).toBeGreaterThan(0);
    const genuine = lines.filter(({ link, end }) => link?.position !== 11 && !end);
    const head = { position: 11, hash: lines.find(({ link }) => link?.position === 11)!.link!.hash };
    const late = lines.filter(({ link }) => link?.position === 11);
    const report = await proofOf(textOf([...genuine, { end: { unlinked: 0, head } }, ...late]));
    expect(verdict(report)).toBe('changed@11');
  });

  it.each<[string, (link: string) => string]>([
    ['a link that is no JSON', (link) => `${link.slice(0, -1)},}\n`],
    ['a link without the end of its line', (link) => link.slice(0, -1)],
    [
      'a link that is nested deeper than anything',
      (link) => `${link.replace('"b":1.5', `"b":${'['.repeat(20_000)}${']'.repeat(20_000)}`)}\n`,
    ],
    ['lines that only a terminal knows', (link) => `\r${link}\r${link}\r\n`],
    ['an empty line and a link', (link) => `\n${link},\n`],
    ['space', () => ' \n'],
  ])('is the last that a file says, and not before %s', async (_, tail) => {
    const [link] = invented(11, 1, 0);
    expect(verdict(await proofOf(textOf(lines, tail(JSON.stringify(link)))))).toBe('changed@11');
  });

  it.each(['\n', '\r\n', '\n\n'])('may have empty lines behind it: %j', async (tail) => {
    expect(verdict(await proofOf(textOf(lines, tail)))).toBe('as it was');
  });

  it('is proved by a kept seal of the last day, where the export was made before that day was sealed', async () => {
    const report = await proofOf(textOf(cut(10, -1, -2)));
    expect([verdict(report), proofText(report).split('\n')[0]]).toEqual([
      'as it was',
      'Everything is as it was.',
    ]);
    expect([report.unsealed, report.unsealedSince]).toEqual([0, dayFromToday(0)]);
  });

  it.each([
    [9, -1, -2, 'removed@10'],
    [6, -1, -2, 'removed@7'],
    [4, -1, -3, 'removed@5'],
    [2, -1, -4, 'removed@3'],
  ])(
    'is not before what a kept seal covers of days that were over: %i links',
    async (links, to, sealed, is) => {
      expect(verdict(await proofOf(textOf(cut(links, to, sealed))))).toBe(is);
    },
  );

  it('may be before links of a day that was over by the clock of the command alone, and the verdict says so', async () => {
    const [header, ...rest] = cut(9, -1, -2);
    const verdictAt = async (exportedAt: string): Promise<string> => {
      const report = await proofOf(textOf([{ ...header, exported_at: exportedAt }, ...rest]));
      return `${verdict(report)}: ${proofText(report).split('\n')[0]}`;
    };
    for (const time of ['00:00:00.000', '00:01:59.999'])
      expect(await verdictAt(`${dayFromToday(0)}T${time}Z`)).toBe(
        `as it was: Everything up to ${dayFromToday(-2)} is as it was.`,
      );
    expect(await verdictAt(`${dayFromToday(0)}T00:02:00.000Z`)).toMatch(/^removed@10: NOT/);
    await expect(verdictAt('soon')).rejects.toThrow(CannotCheck);
  });
});

describe('a day that there is not', () => {
  let world: AuditWorld;
  let text: string;

  beforeAll(async () => {
    world = await AuditWorld.create(DAYS);
    text = await readFile(await (await world.copy()).export(), 'utf8');
  }, 60_000);
  afterAll(() => world.remove());

  const verdictOf = async (changed: string): Promise<string> => {
    const file = join(world.folder, 'changed');
    await writeFile(file, changed);
    return verdict(await (await world.copy()).verifyFile(file));
  };

  it.each([-3, -2, -1])('is told of in a seal: %i', async (day) => {
    const changed = text.replace(`{"seal":{"day":"${dayFromToday(day)}"`, '{"seal":{"day":"2026-99-99"');
    expect(changed).not.toBe(text);
    expect(await verdictOf(changed)).not.toBe('as it was');
    // What else is wrong is still told of.
    expect(await verdictOf(changed.replace('"name 1"', '"forged"'))).toBe('changed@2');
  });

  it('is told of in a link', async () => {
    const day = `"position":6,"day":"${dayFromToday(-2)}"`;
    const changed = text.replace(day, '"position":6,"day":"2026-02-30"');
    expect(changed).not.toBe(text);
    expect(await verdictOf(changed)).toBe('changed@5');
    expect(await verdictOf(changed.replace('"name 1"', '"forged"'))).toBe('changed@2');
  });
});
