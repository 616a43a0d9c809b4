import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { AuditKey } from '../seals/audit-key';
import { Seal } from '../seals/seal';
import {
  EndLine,
  endLine,
  eventLine,
  fromLinkLine,
  fromSealLine,
  HeaderLine,
  headerLine,
  keyLine,
  linkLine,
  sealLine,
} from './export-format';
import { Findings } from './finding';
import { CannotCheck, ChainLink, ProofEnd, ProofSource, ProofStart } from './proof-source';
import { SeenIds } from './seen-ids';

const BATCH = 500;

type Line = Record<string, unknown>;

const BROKEN: Line = {};

/** An export, read line by line: no database, no configuration. */
export class FileSource implements ProofSource {
  private readonly lines: AsyncIterator<string>;
  private number = 0;
  /** Number of the last line, where it is not JSON: the end of a file that was cut off, unless another line follows. */
  private broken: number | null = null;
  private position = 0;
  /** The first line after keys and seals. */
  private pending?: Line | null;
  private ending?: EndLine;

  constructor(file: string) {
    const input = createReadStream(file, { highWaterMark: 1 << 20 });
    this.lines = createInterface({ input, crlfDelay: Infinity })[Symbol.asyncIterator]();
  }

  async begin(): Promise<ProofStart> {
    const header = await this.header();
    const keys: AuditKey[] = [];
    const seals: Seal[] = [];
    for (;;) {
      const line = (this.pending = await this.next());
      if (line?.key !== undefined) keys.push(this.require(keyLine, line.key));
      else if (line?.seal !== undefined) seals.push(fromSealLine(this.require(sealLine, line.seal)));
      else break;
    }
    this.position = header.start.position;
    return {
      from: header.from,
      to: header.to,
      droppedBefore: header.dropped_before,
      droppedElsewhere: header.to && header.dropped_before,
      keys,
      seals,
      start: { position: header.start.position, hash: Buffer.from(header.start.hash, 'hex') },
      expected: header.links,
    };
  }

  async *links(findings: Findings): AsyncGenerator<ChainLink[]> {
    const seen = new SeenIds();
    let batch: ChainLink[] = [];
    for (let line = this.pending; line !== null; line = await this.next()) {
      if (this.broken !== null) this.report(findings, 'changed', `line ${this.broken} is no JSON`, null);
      this.broken = line === BROKEN ? this.number : null;
      if (line === BROKEN) continue;
      const link = linkLine.safeParse(line?.link);
      if (link.success) {
        batch.push(fromLinkLine(link.data));
        this.position = link.data.position;
        if (seen.add(link.data.event_id))
          this.report(findings, 'inserted', 'its event is linked more than once', link.data.event_id);
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
    const end = endLine.safeParse(line.end);
    if (end.success && !this.ending) {
      this.ending = end.data;
      return;
    }
    const stray = eventLine.safeParse(line.event);
    if (stray.success)
      return this.report(
        findings,
        'inserted',
        'an event without a link, that waited for none',
        stray.data.event_id,
      );
    this.report(findings, 'changed', `line ${this.number} is not what an export has there`, null);
  }

  private report(
    findings: Findings,
    kind: 'changed' | 'inserted',
    detail: string,
    eventId: string | null,
  ): void {
    const position = kind === 'inserted' && detail.startsWith('an event') ? null : this.position;
    findings.add({ kind, position, day: null, eventId, detail });
  }

  private async header(): Promise<HeaderLine> {
    const header = headerLine.safeParse(await this.next());
    if (!header.success)
      throw new CannotCheck('this is not an export of audit events, or not of this version');
    return header.data;
  }

  /** @throws CannotCheck where the file cannot be read. @returns null after the last line. */
  private async next(): Promise<Line | null> {
    const next = await this.lines.next().catch((error: Error) => {
      throw new CannotCheck(`the file cannot be read: ${error.message}`, { cause: error });
    });
    if (next.done) return null;
    this.number++;
    try {
      const line: unknown = JSON.parse(next.value);
      return typeof line === 'object' && line !== null ? (line as Line) : {};
    } catch {
      return BROKEN;
    }
  }

  private require<T>(
    schema: { safeParse(line: unknown): { success: true; data: T } | { success: false } },
    line: unknown,
  ): T {
    const parsed = schema.safeParse(line);
    if (!parsed.success) throw new CannotCheck(`line ${this.number} is no key or seal of an export`);
    return parsed.data;
  }
}
