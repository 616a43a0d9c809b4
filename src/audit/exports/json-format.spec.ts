import fc from 'fast-check';
import type { AuditEventItem } from '../reading/audit-event.dto';
import type { AuditExport } from './audit-export';
import { jsonFormat } from './json-format';

const MADE = {
  id: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
  createdAt: new Date('2026-11-22T09:30:00Z'),
  eventType: 'user.login',
  startDate: null,
  endDate: new Date('2026-11-22T00:00:00Z'),
  totalEvents: 2,
  truncated: true,
} as AuditExport;

describe('jsonFormat', () => {
  it('is one object, however many events there are, and whatever they say', () => {
    const json = fc.jsonValue().map((value) => ({ value }) as unknown as AuditEventItem);
    fc.assert(
      fc.property(fc.array(json, { maxLength: 4 }), (events) => {
        const text = jsonFormat.head(MADE) + events.map(jsonFormat.event).join('') + jsonFormat.tail;
        expect(JSON.parse(text)).toEqual({
          export_id: MADE.id,
          created_at: '2026-11-22T09:30:00.000Z',
          filters: { event_type: 'user.login', start_date: null, end_date: '2026-11-22T00:00:00.000Z' },
          total_events: 2,
          truncated: true,
          events: JSON.parse(JSON.stringify(events)) as unknown,
        });
      }),
    );
  });
});
