import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import { missingReplies } from './reply-coverage';
import { missingEvents } from './seen-events';
import { endNotes, notesFolder } from './seen-replies';

/** What jest tells of a run, as far as it narrows it down. */
interface Run {
  testPathPatterns: { patterns: string[] };
  testNamePattern?: string;
  onlyChanged: boolean;
  onlyFailures: boolean;
  findRelatedTests: boolean;
  runTestsByPath: boolean;
  shard?: object;
}

/**
 * @throws Error, which fails the run, when all tests together did not get every reply that the document promises, or
 * recorded no event of some type.
 */
export default async function globalTeardown(run: Run): Promise<void> {
  await globalThis.sharedServers?.stop();
  const unrecorded = missingEvents(notesFolder());
  const seen = endNotes();
  if (!isWhole(run)) return;
  const document = JSON.parse(
    readFileSync(join(__dirname, '../../docs/openapi.json'), 'utf8'),
  ) as OpenAPIObject;
  const missing = missingReplies(document, seen);
  const lines = [...missing.map((line) => `  ${line}`), ...unrecorded.map((type) => `  an event ${type}`)];
  if (lines.length === 0) return;
  throw new Error(
    `${lines.length} replies or events that docs/openapi.json and docs/asyncapi.json promise were seen by no test:\n` +
      lines.join('\n'),
  );
}

function isWhole(run: Run): boolean {
  const { testPathPatterns, testNamePattern, onlyChanged, onlyFailures, findRelatedTests, runTestsByPath } =
    run;
  const narrowed = onlyChanged || onlyFailures || findRelatedTests || runTestsByPath;
  return testPathPatterns.patterns.length === 0 && !testNamePattern && !narrowed && run.shard === undefined;
}
