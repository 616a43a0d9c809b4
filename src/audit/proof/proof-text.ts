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
      : 'Everything is as it was.',
    ...numbers.map(([name, value]) => `  ${name.padEnd(14)}${value}`),
    ...findings.byKind().map(([kind, count]) => `  ${kind.padEnd(14)}${count} found`),
  ].join('\n');
}

function unsealed({ unsealed: links, unsealedSince }: ProofReport): string {
  return `${links} links, ${unsealedSince ? `since ${unsealedSince}` : 'no day is sealed yet'}`;
}

function dropped({ dropped: events, isDroppedProved }: ProofReport): string {
  const doubt = isDroppedProved
    ? ''
    : '; what says so has no link yet, or is after the range: not proved here';
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
