import { Finding } from './finding';
import { ProofReport } from './verify-chain';

/** What a verification has found, for people: a line of verdict, then the numbers. */
export function proofText(report: ProofReport): string {
  const { findings } = report;
  const range = [report.from && `from ${report.from}`, report.to && `to ${report.to}`]
    .filter(Boolean)
    .join(' ');
  const numbers: [string, string | number][] = [
    ['range', range || 'everything'],
    ['events', report.events],
    ['links', report.links],
    ['seals', report.seals],
    ['unsealed', unsealed(report)],
    ['unlinked now', report.unlinked],
    ['erased', `${report.erased} digests of personal data`],
    ['dropped', dropped(report)],
  ];
  return [
    findings.first
      ? `NOT as it was. The first thing wrong: ${findingText(findings.first)}`
      : verdictOf(report),
    ...numbers.map(([name, value]) => `  ${name.padEnd(14)}${value}`),
    ...keptText(report),
    ...findings.byKind().map(([kind, count]) => `  ${kind.padEnd(14)}${count} found`),
  ].join('\n');
}

/** An export that is older than seals which were kept can as well have been cut off: it says no more than was proved. */
function verdictOf({ kept }: ProofReport): string {
  return kept?.endOf === 'export'
    ? `Everything up to ${kept.provedUntil} is as it was.`
    : 'Everything is as it was.';
}

function keptText({ kept }: ProofReport): string[] {
  if (!kept) return [];
  const text = `  kept seals after the end of this ${kept.endOf}: ${kept.notLookedAt}, not looked at`;
  if (kept.endOf === 'range') return [text];
  return [text, '    (its end is not signed: it may be older than these seals, or have been cut off)'];
}

function unsealed({ unsealed: links, unsealedSince }: ProofReport): string {
  return `${links} links, ${unsealedSince ? `since ${unsealedSince}` : 'no day is sealed yet'}`;
}

function dropped({ dropped: events, isDroppedProved }: ProofReport): string {
  const doubt = isDroppedProved
    ? ''
    : '; what says so has no link or seal yet, or is after the range: not proved here';
  return `${events} events, by retention${doubt}`;
}

function findingText({ kind, position, day, eventId, detail }: Finding): string {
  const where = [
    position === null ? 'no position' : `position ${position}`,
    day && `day ${day}`,
    eventId && `event ${eventId}`,
  ];
  return `${where.filter(Boolean).join(', ')}: ${kind}: ${detail}`;
}
