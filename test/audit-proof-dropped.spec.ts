import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CannotCheck } from '../src/audit/proof/proof-source';
import { proofText } from '../src/audit/proof/proof-text';
import { ProofOptions, ProofReport } from '../src/audit/proof/verify-chain';
import { AuditKey } from '../src/audit/seals/audit-key';
import { addDays, addMonths } from '../src/audit/seals/utc-day';
import { newId } from '../src/common/ids';
import { CanonicalEvent, eventHash, linkHash } from '../src/infra/events/chain-hash';
import { AuditWorld, dayFromToday, TODAY, verdict } from './support/audit-world';

/** First days of months. */
const monthsAgo = (months: number): string => addMonths(TODAY, -months);
const daysAgo = (day: string): number => Math.round((Date.parse(day) - Date.parse(TODAY)) / 86_400_000);
const MIDMONTH = addDays(monthsAgo(1), 4);
const YESTERDAY = dayFromToday(-1);

interface ExportLine {
  format?: string;
  to?: string | null;
  dropped_before?: string | null;
  start?: { position: number; hash: string };
  key?: AuditKey;
  seal?: { day: string; last_position: number; head: string; jws: string };
  link?: {
    position: number;
    day: string;
    hash: string;
    event: CanonicalEvent | null;
    event_id: string;
    event_hash: string;
  };
  end?: { unlinked: number; head: { position: number; hash: string } | null };
}

describe('months that are not in an export', () => {
  let world: AuditWorld;
  let file: string;
  /** Of everything, before anything was dropped. */
  let lines: ExportLine[];
  /** As somebody kept them who trusts nothing in a file. */
  let kept: Required<Pick<ProofOptions, 'kept' | 'keys'>>;

  beforeAll(async () => {
    // Positions 1–3, 4–6, 7–9, 10–11, and 12–13 today, which is not sealed.
    world = await AuditWorld.create(
      {
        [daysAgo(monthsAgo(3)) + 4]: 3,
        [daysAgo(monthsAgo(2)) + 4]: 3,
        [daysAgo(MIDMONTH)]: 3,
        [-1]: 2,
        0: 2,
      },
      { sealed: false },
    );
    file = join(world.folder, 'changed');
    const copy = await world.copy();
    await copy.seal();
    lines = await linesOf(await copy.export());
    kept = keptOf(lines);
  }, 60_000);
  afterAll(() => world.remove());

  const proofOf = async (all: ExportLine[], options: ProofOptions = kept): Promise<ProofReport> => {
    await writeFile(file, all.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return (await world.copy()).verifyFile(file, options);
  };
  /** Without the months before the links that an export has where everything before a day was dropped. */
  const without = (before: string, to: string | null): ExportLine[] => {
    const links = addMonths(before, -1);
    const seal = lines.findLast((line) => line.seal && line.seal.day < links)!.seal!;
    return lines
      .filter(({ link }) => !link || (link.day >= links && (!to || link.day <= to)))
      .filter((line) => !line.seal || !to || line.seal.day <= to)
      .map((line) => {
        if (line.end) return to ? { end: { unlinked: 0, head: null } } : line;
        if (!line.format) return line;
        const start = { position: seal.last_position, hash: seal.head };
        return { ...line, to, dropped_before: before, start };
      });
  };
  const change = (all: ExportLine[], position: number, data: object | null): ExportLine[] =>
    all.map((line) => {
      if (line.link?.position !== position) return line;
      const event = data && ({ ...line.link.event, data } as CanonicalEvent);
      return { ...line, link: { ...line.link, event } };
    });

  it.each([
    ['where their links are gone too', () => without(monthsAgo(1), YESTERDAY)],
    ['where only events are gone', () => change(without(monthsAgo(0), YESTERDAY), 8, null)],
    ['where it says so of after its end', () => change(without(monthsAgo(0), MIDMONTH), 8, null)],
  ])('are not called dropped by the word of its header: it cannot be checked, %s', async (_, forged) => {
    await expect(proofOf(forged())).rejects.toThrow(CannotCheck);
    await expect(proofOf(forged())).rejects.toThrow(/only its header says/);
  });

  it('were removed, where it has no end that an event could be after', async () => {
    expect(verdict(await proofOf(without(monthsAgo(1), null)))).toBe('removed@1');
  });

  it('do not hide what was changed, and are not told of as proved then', async () => {
    const forged = change(change(without(monthsAgo(0), YESTERDAY), 8, null), 11, { forged: true });
    const report = await proofOf(forged);
    expect([verdict(report), report.dropped, report.isDroppedProved]).toEqual(['changed@11', 1, false]);
    expect(proofText(report)).toContain('not proved here');
    const links = await proofOf(change(without(monthsAgo(1), YESTERDAY), 11, { forged: true }));
    expect([verdict(links), links.dropped, links.isDroppedProved]).toEqual(['changed@11', 0, false]);
  });

  it('are not called dropped by the word of an event that anybody can have put behind its last seal', async () => {
    const all = without(monthsAgo(1), null);
    const last = all.findLast(({ link }) => link)!.link!;
    const event: CanonicalEvent = {
      ...last.event!,
      event_id: newId(),
      event_type: 'audit.dropped',
      subject: 'audit:retention',
      data: { before: monthsAgo(1), events: 6 },
    };
    const position = last.position + 1;
    const hashOf = eventHash(event);
    const hash = linkHash(Buffer.from(last.hash, 'hex'), position, hashOf).toString('hex');
    const link = {
      ...last,
      position,
      event_id: event.event_id,
      event,
      event_hash: hashOf.toString('hex'),
      hash,
    };
    const forged = [...all.slice(0, -1), { link }, { end: { unlinked: 0, head: { position, hash } } }];
    await expect(proofOf(forged)).rejects.toThrow(CannotCheck);
    await expect(proofOf(forged)).rejects.toThrow(/no seal/);
  });

  describe('because they were dropped', () => {
    let dropped: ExportLine[];
    let keptThen: typeof kept;
    /** Of the database, up to a day before that says so. */
    let live: ProofReport;
    const files = new Map<string, ExportLine[]>();

    beforeAll(async () => {
      const afterDrop = await world.copy();
      const exported = async (range: { from?: string; to?: string }): Promise<ExportLine[]> =>
        linesOf(await afterDrop.export(range));
      await afterDrop.attack(
        `UPDATE events SET event_type = 'audit.dropped', subject = 'audit:retention',
           data = '{"before":"${monthsAgo(1)}","events":6}'
         WHERE event_id = (SELECT event_id FROM event_chain WHERE position = 10)`,
      );
      await afterDrop.relink(10);
      await afterDrop.seal();
      await afterDrop.attack(`SELECT drop_audit_months('${monthsAgo(1)}', false)`);
      dropped = await exported({});
      keptThen = keptOf(dropped);
      files.set('everything', dropped);
      files.set('up to the day that says so', await exported({ to: YESTERDAY }));
      files.set('what is left', await exported({ from: monthsAgo(1) }));
      files.set('days of what is left', await exported({ from: monthsAgo(1), to: MIDMONTH }));
      files.set('up to a day before that says so', await exported({ to: MIDMONTH }));
      live = await afterDrop.verify({ to: MIDMONTH });
    }, 60_000);

    it.each([
      ['everything', 3],
      ['up to the day that says so', 3],
      ['what is left', 0],
      ['days of what is left', 0],
    ])('are proved to be, or not missed: %s', async (range, events) => {
      for (const options of [{}, keptThen]) {
        const report = await proofOf(files.get(range)!, options);
        expect([verdict(report), report.dropped, report.isDroppedProved]).toEqual([
          'as it was',
          events,
          true,
        ]);
      }
    });

    it('cannot be told from others where it ends before the day that says so', async () => {
      await expect(proofOf(files.get('up to a day before that says so')!, keptThen)).rejects.toThrow(
        new RegExp(`nothing of before ${monthsAgo(1)}.*only its header says.*--to`),
      );
      // A database has the event that says so.
      expect([verdict(live), live.dropped, live.isDroppedProved]).toEqual(['as it was', 3, false]);
    });

    it('are proved to be by a kept seal, where it was made before that day was sealed', async () => {
      const early = dropped.filter(({ seal }) => seal?.day !== YESTERDAY);
      await expect(proofOf(early, {})).rejects.toThrow(/no seal/);
      const report = await proofOf(early, keptThen);
      expect([verdict(report), report.dropped, report.isDroppedProved]).toEqual(['as it was', 3, true]);
    });
  });
});

async function linesOf(file: string): Promise<ExportLine[]> {
  const text = (await readFile(file, 'utf8')).trim().split('\n');
  return text.map((line) => JSON.parse(line) as ExportLine);
}

const keptOf = (lines: ExportLine[]): Required<Pick<ProofOptions, 'kept' | 'keys'>> => ({
  kept: lines.flatMap(({ seal }) => seal?.jws ?? []),
  keys: lines.flatMap(({ key }) => key ?? []),
});
