import { Injectable } from '@nestjs/common';
import { auditEventItem } from '../reading/audit-event-item';
import type { ClaimedExport } from './audit-export';
import { ExportEvents } from './export-events.service';
import { exportFormats } from './export-format';
import { MOST_PART_BYTES, sealPart } from './export-parts';
import { ExportRows } from './export-rows.service';

/**
 * Writes the file of an export, part by part: in memory there are a page of events and a part, however long it is. Parts
 * end between events, so that it goes on where whoever wrote before it has stopped.
 */
@Injectable()
export class ExportWriter {
  constructor(
    private readonly rows: ExportRows,
    private readonly events: ExportEvents,
  ) {}

  /**
   * @param key in the clear; the caller's.
   * @param signal ends it after the part in hand.
   * @throws ExportTaken, EventsGone, and what PostgreSQL throws; the reason of the signal
   */
  async write(claimed: ClaimedExport, key: Uint8Array, signal: AbortSignal): Promise<void> {
    const { head, event, tail } = exportFormats[claimed.format];
    let part = claimed.parts;
    let written = claimed.writtenEvents;
    let texts = part === 0 ? [head(claimed)] : [];
    let bytes = 0;
    const append = async (isLast: boolean): Promise<void> => {
      signal.throwIfAborted();
      part++;
      const content = sealPart(key, claimed, { part, isLast }, Buffer.from(texts.join('')));
      await this.rows.append(claimed, { part, content, writtenEvents: written, isLast });
      [texts, bytes] = [[], 0];
    };
    while (written < claimed.totalEvents) {
      for (const recorded of await this.events.page(claimed, written)) {
        // What others did is shown as to anybody: what somebody may see besides is not for a file that outlives it.
        const item = auditEventItem(recorded, { userId: claimed.userId, seesAll: false });
        const text = event(item, written);
        const more = Buffer.byteLength(text);
        if (bytes > 0 && bytes + more > MOST_PART_BYTES - RESERVED) await append(false);
        texts.push(text);
        bytes += more;
        written++;
      }
    }
    texts.push(tail);
    await append(true);
  }
}

/** For what a file begins and ends with. */
const RESERVED = 1024;
