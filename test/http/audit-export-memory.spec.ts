import { get as httpGet } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MOST_PART_BYTES } from '../../src/audit/exports/export-parts';
import { ExportRows } from '../../src/audit/exports/export-rows.service';
import { eventually, startService, TestService } from '../support/app';
import { addEvents, exportsOf, MadeExport } from '../support/audit-exports';
import { newSignedIn, SignedIn } from '../support/people';

const MB = 1024 * 1024;

setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc') as () => void;

/** What is reachable now. What was beside the heap is let go a moment after the heap's part of it. */
async function reachableBytes(): Promise<number> {
  for (let i = 0; i < 2; i++) {
    collect();
    await sleep(5);
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('an export of 10,000 events', () => {
  let service: TestService;
  let person: SignedIn;
  beforeAll(async () => {
    service = await startService();
    person = await newSignedIn(service);
    await addEvents(service, person.userId, 10_000);
  }, 60_000);
  afterAll(() => service.stop());

  const statusOf = async ({ export_id: id }: MadeExport): Promise<string> =>
    (await service.db.query<{ status: string }[]>(`SELECT status FROM audit_exports WHERE id = $1`, [id]))[0]!
      .status;

  /** Whoever reads as if there were no end of time, and keeps nothing. */
  const download = (made: MadeExport): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { Authorization: `Bearer ${person.accessToken}` };
      const call = httpGet(`${service.url}/v1/audit/export/${made.export_id}`, { headers }, (reply) => {
        let bytes = 0;
        reply.on('data', (chunk: Buffer) => (bytes += chunk.length));
        reply.on('end', () => resolve(bytes)).on('error', reject);
      });
      call.on('error', reject);
    });

  it('is written and read in memory that does not grow with it', async () => {
    const rows = service.app.get(ExportRows);
    const { append, part } = { append: rows.append.bind(rows), part: rows.part.bind(rows) };
    let before = 0;
    let most = 0;
    let calls = 0;
    const sample = async (): Promise<void> => {
      if (calls++ % 10 === 9) most = Math.max(most, (await reachableBytes()) - before);
    };
    const stored: number[] = [];
    // No mocks of jest: they keep what they are called with.
    rows.append = async (claimed, written) => {
      await sample();
      stored.push(written.content.length);
      await append(claimed, written);
    };
    rows.part = async (...which) => {
      await sample();
      return part(...which);
    };
    for (const format of ['json', 'csv']) {
      stored.length = most = calls = 0;
      before = await reachableBytes();
      const { body: made } = await exportsOf(service, person).create({ format }).expect(201);
      await eventually(async () => (await statusOf(made)) === 'ready', 'the file', 20_000);
      const bytes = stored.reduce((sum, size) => sum + size, 0);
      expect(bytes).toBeGreaterThan(4 * MB);
      expect(stored.length).toBeGreaterThan(15);
      expect(Math.max(...stored)).toBeLessThanOrEqual(MOST_PART_BYTES + 29);
      const writing = most;
      most = calls = 0;
      before = await reachableBytes();
      expect(await download(made)).toBe(bytes - 29 * stored.length);
      process.stdout.write(
        `${format}: ${(bytes / MB).toFixed(1)} MB, at most ${(writing / MB).toFixed(1)} MB to write, ${(most / MB).toFixed(1)} MB to read\n`,
      );
      expect(writing).toBeLessThan(3 * MB);
      expect(most).toBeLessThan(3 * MB);
    }
  }, 90_000);
});
