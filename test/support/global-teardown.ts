import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import { missingReplies } from './reply-coverage';
import { endNotes } from './seen-replies';

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

/** @throws Error, which fails the run, when all tests together did not get every reply that the document promises. */
export default async function globalTeardown(run: Run): Promise<void> {
  await globalThis.sharedServers?.stop();
  const seen = endNotes();
  if (!isWhole(run)) return;
  const document = JSON.parse(
    readFileSync(join(__dirname, '../../docs/openapi.json'), 'utf8'),
  ) as OpenAPIObject;
  const missing = missingReplies(document, seen);
  if (missing.length === 0) return;
  throw new Error(
    `${missing.length} replies that docs/openapi.json promises were seen by no test:\n` +
      missing.map((line) => `  ${line}`).join('\n'),
  );
}

function isWhole(run: Run): boolean {
  const { testPathPatterns, testNamePattern, onlyChanged, onlyFailures, findRelatedTests, runTestsByPath } =
    run;
  const narrowed = onlyChanged || onlyFailures || findRelatedTests || runTestsByPath;
  return testPathPatterns.patterns.length === 0 && !testNamePattern && !narrowed && run.shard === undefined;
}
