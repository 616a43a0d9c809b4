import { AuditKey } from '../seals/audit-key';
import { Seal } from '../seals/seal';
import {
  EndLine,
  endLine,
  eventLine,
  exportedKeyLine,
  fromLinkLine,
  fromSealLine,
  HeaderLine,
  headerLine,
  linkLine,
  sealLine,
} from './export-format';
import { fileLines } from './file-lines';
import { Finding, Findings } from './finding';
import { doubtOf, hasMore } from './line-doubt';
import { endOfExport } from './proof-range';
import { CannotCheck, ChainLink, ProofEnd, ProofSource, ProofStart } from './proof-source';
import { SeenIds } from './seen-ids';
import { readKey } from './trusted-keys';

const BATCH = 500;

type Line = Record<string, unknown>;

const BROKEN: Line = {};
const AFTER_RANGE = 'it is of a day after those that were asked for: an export has none there';

/** An export, read line by line: no database, no configuration. */
export class FileSource implements ProofSource {
  private readonly lines: AsyncIterator<string>;
  private number = 0;
  /** Number of the last line, where it is not JSON: the end of a file that was cut off, unless another line follows. */
  private broken: number | null = null;
  /** What is doubtful about the last line. */
  private doubt: string | null = null;
  private position = 0;
  /** The first line after keys and seals. */
  private pending?: Line | null;
  private ending?: EndLine;
  /** The last day that was asked for. */
  private to: string | null = null;

  constructor(file: string) {
    this.lines = fileLines(file);
  }

  async begin(findings: Findings): Promise<ProofStart> {
    const header = await this.header(findings);
    const keys: AuditKey[] = [];
    const seals: Seal[] = [];
    for (;;) {
      const line = (this.pending = await this.next());
      if (line?.key !== undefined) {
        const key = this.read(exportedKeyLine, line.key, findings);
        if (key && !(await readKey(key))) this.noKeyOrSeal(findings);
        else if (key) keys.push(key);
      } else if (line?.seal !== undefined) {
        const seal = this.read(sealLine, line.seal, findings);
        if (seal) seals.push(fromSealLine(seal));
      } else break;
    }
    this.position = header.start.position;
    this.to = header.to;
    for (const { day, firstPosition } of seals) {
      // Nor are there links of its day: whoever has left it wants it to seem that there are not enough of them yet.
      if (this.isAfterRange(day))
        findings.add({ kind: 'inserted', position: firstPosition, day, eventId: null, detail: AFTER_RANGE });
    }
    return {
      from: header.from,
      to: header.to,
      droppedBefore: header.dropped_before,
      // An event after the end may say so; not to be called removed, nor to be believed.
      droppedElsewhere: header.to && header.dropped_before,
      keys,
      seals,
      start: { position: header.start.position, hash: Buffer.from(header.start.hash, 'hex') },
      end: endOfExport(header, seals),
      expected: header.links,
    };
  }

  async *links(findings: Findings): AsyncGenerator<ChainLink[]> {
    const seen = new SeenIds();
    let batch: ChainLink[] = [];
    for (let line = this.pending; line !== null; line = await this.next()) {
      if (this.broken !== null) this.report(findings, 'changed', `line ${this.broken} is no JSON`);
      this.broken = line === BROKEN ? this.number : null;
      if (line === BROKEN) continue;
      const link = linkLine.safeParse(line?.link);
      if (link.success) {
        batch.push(fromLinkLine(link.data));
        this.position = link.data.position;
        const { event_id: eventId, day } = link.data;
        if (this.isAfterRange(day)) this.report(findings, 'inserted', AFTER_RANGE, { day, eventId });
        if (this.ending)
          this.report(findings, 'changed', `line ${this.number} is a link after the end`, { eventId });
        if (this.doubt) this.report(findings, 'changed', `line ${this.number} ${this.doubt}`, { eventId });
        if (seen.add(eventId))
          this.report(findings, 'inserted', 'its event is linked more than once', { eventId });
      } else this.other(line ?? {}, findings);
      if (batch.length === BATCH) {
        yield batch;
        batch = [];
      }
    }
    yield batch;
  }

  async end(findings: Findings): Promise<ProofEnd> {
    if (this.ending) {
      // Nothing that was cut off: somebody may read it, and take it for proved.
      if (this.broken !== null) this.report(findings, 'changed', `line ${this.broken} is no JSON`);
      const { head, unlinked } = this.ending;
      return { head: head && { position: head.position, hash: Buffer.from(head.hash, 'hex') }, unlinked };
    }
    findings.add({
      kind: 'truncated',
      position: this.position + 1,
      day: null,
      eventId: null,
      detail: `the file ends with line ${this.number}, before its end`,
    });
    return { head: null, unlinked: 0 };
  }

  /** A line that is no link. */
  private other(line: Line, findings: Findings): void {
    if (this.doubt) this.report(findings, 'changed', `line ${this.number} ${this.doubt}`);
    const end = endLine.safeParse(line.end);
    if (end.success && !this.ending) {
      this.ending = end.data;
      return;
    }
    const stray = eventLine.safeParse(line.event);
    if (stray.success)
      return this.report(findings, 'inserted', 'an event without a link, that waited for none', {
        position: null,
        eventId: stray.data.event_id,
      });
    this.report(findings, 'changed', `line ${this.number} is not what an export has there`);
  }

  /** @param at where it is not simply behind the last link. */
  private report(
    findings: Findings,
    kind: 'changed' | 'inserted',
    detail: string,
    at: Partial<Pick<Finding, 'position' | 'day' | 'eventId'>> = {},
  ): void {
    findings.add({ kind, position: this.position, day: null, eventId: null, detail, ...at });
  }

  private noKeyOrSeal(findings: Findings): void {
    this.report(findings, 'changed', `line ${this.number} is no key or seal of an export`, {
      position: null,
    });
  }

  private async header(findings: Findings): Promise<HeaderLine> {
    const line = await this.next();
    const header = headerLine.safeParse(line).success && this.read(headerLine, line, findings);
    if (!header) throw new CannotCheck('this is not an export of audit events, or not of this version');
    return header;
  }

  private isAfterRange(day: string): boolean {
    return this.to !== null && day > this.to;
  }

  /** @throws CannotCheck where the file cannot be read. @returns null after the last line. */
  private async next(): Promise<Line | null> {
    let next: IteratorResult<string, unknown>;
    do {
      next = await this.lines.next().catch((error: Error) => {
        throw new CannotCheck(`the file cannot be read: ${error.message}`, { cause: error });
      });
      this.doubt = null;
      if (next.done) return null;
      this.number++;
      // Editors and mail leave empty lines behind the end.
    } while (this.ending && next.value === '');
    try {
      const line: unknown = JSON.parse(next.value);
      if (typeof line !== 'object' || line === null) return {};
      // It can't write what is nested some thousand times, and nobody has ever written that.
      this.doubt = doubtOf(next.value, line);
      // What stands beside a link is proved by nothing. The header has members of its own.
      if (this.number > 1 && Object.keys(line).length > 1) this.doubt ??= 'says more than one thing';
      return line as Line;
    } catch {
      return BROKEN;
    }
  }

  /** Of the lines before the links. @returns null for what is none: that is told of, and hides nothing else. */
  private read<T>(
    schema: { safeParse(line: unknown): { success: true; data: T } | { success: false } },
    line: unknown,
    findings: Findings,
  ): T | null {
    const parsed = schema.safeParse(line);
    if (!parsed.success) {
      this.noKeyOrSeal(findings);
      return null;
    }
    const doubt =
      this.doubt ?? (hasMore(line, parsed.data) ? 'has members that an export does not have' : null);
    if (doubt) this.report(findings, 'changed', `line ${this.number} ${doubt}`, { position: null });
    return parsed.data;
  }
}
