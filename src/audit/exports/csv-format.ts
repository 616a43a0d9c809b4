import { stringify } from 'csv-stringify/sync';
import type { AuditEventItem } from '../reading/audit-event.dto';
import type { ExportFormat } from './export-format';

const COLUMNS = [
  'event_id',
  'event_type',
  'timestamp',
  'priority',
  'subject',
  'actor',
  'resource',
  'data',
  'metadata',
] as const satisfies (keyof AuditEventItem)[];

/** What a program may take for the beginning of a formula; the second four are their full-width forms. */
const STARTS = '=+\\-@\\uff1d\\uff0b\\uff0d\\uff20';
/**
 * Where csv-stringify's `escape_formulas` looks at nothing: after blanks, line feeds or marks that no eye sees, which
 * some programs pass over.
 */
const HIDDEN_START = new RegExp(`^[\\s\\ufeff\\u200b-\\u200f\\u2060\\0]+[${STARTS}]|^[\\n\\v\\f\\0]`);
/** A program that takes semicolons, tabs or bars for the end of a cell finds a cell there. */
const START_AFTER_SEPARATOR = new RegExp(`(?<=[;|]\\s*)[=+\\-@]`, 'g');
const NOT_ASCII = /[^\x20-\x7e]/g;

/**
 * RFC 4180 in UTF-8, with a line of names; no byte order mark, which most programs would take for a part of the first
 * name. `data` and `metadata` are JSON texts in ASCII, so that a program that takes the file for something else shows
 * them right too. No cell begins like a formula: an apostrophe stands before those that would (OWASP, "CSV Injection").
 */
export const csvFormat: ExportFormat = {
  contentType: 'text/csv; charset=utf-8; header=present',
  head: () => line(COLUMNS),
  event: (item) => line(COLUMNS.map((name) => cellOf(item[name]))),
  tail: '',
};

function cellOf(value: string | object | null): string {
  if (value === null) return '';
  if (typeof value === 'object') return jsonCell(value);
  return HIDDEN_START.test(value) ? `'${value}` : value;
}

/** The same JSON, written so that no program finds a formula in the middle of it. */
const jsonCell = (value: object): string =>
  JSON.stringify(value).replace(NOT_ASCII, escaped).replace(START_AFTER_SEPARATOR, escaped);

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

const line = (cells: readonly string[]): string =>
  // It quotes a cell for a whole CRLF only: half of one would end the line elsewhere.
  stringify([[...cells]], { escape_formulas: true, record_delimiter: 'windows', quoted_match: /[\r\n]/ });
