import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '../src/common/ids';
import { eventSchemas } from '../src/infra/events/event-schemas';
import { eventPriorities, EventType, eventTypes } from '../src/infra/events/event-types';
import { Events } from '../src/infra/events/events';
import { personalMembers, splitPersonalData } from '../src/infra/events/personal-data';
import { startService, TestService } from './support/app';
import { requireFit } from './support/event-check';
import { newSignedIn } from './support/people';
import { missingEvents, noteEvents } from './support/seen-events';
import { makeTestFolder } from './support/test-folder';

/** The seventeen of the seed, and those that the contract adds. */
const PROMISED =
  `user.registered user.login user.logout user.updated user.deleted password.changed password.reset_requested
  password.reset_completed session.created session.revoked mfa.enabled mfa.disabled trading_account.linked
  trading_account.unlinked trading_account.credentials_updated permission.granted permission.revoked
  user.email_verified user.suspended user.reactivated mfa.backup_code_used mfa.backup_codes_regenerated login.failed
  login.locked trading_account.verified trading_account.session_expired trading_account.credentials_read
  trading_account.member_added trading_account.member_removed api_key.created api_key.revoked role.assigned role.removed
  audit.exported signing_key.rotated master_key.rotated`.split(/\s+/);

describe('The schemas of events', () => {
  it('know every type that is promised, and priorities of no other', () => {
    expect(eventTypes).toEqual(expect.arrayContaining(PROMISED));
    expect(eventTypes).toEqual(expect.arrayContaining(Object.keys(eventPriorities)));
    for (const type of eventTypes) expect(type).toMatch(/^[a-z_]+\.[a-z_]+$/);
  });

  it.each(eventTypes)('%s names no secret, and no address', (type) => {
    const members = Object.keys(eventSchemas[type].data.shape);
    expect(members.filter((name) => /secret|password|token|e?mail|phone|hash/.test(name))).toEqual([]);
  });

  it('keep whatever people write or are called apart', () => {
    const free = /^(name|reason|nickname|note|comment|label|broker_user_id|url|ip|user_agent)$/;
    for (const type of eventTypes) {
      const { data } = eventSchemas[type];
      // A reason that is one of a list says nothing of anybody.
      const texts = Object.entries<{ safeParse(value: unknown): { success: boolean } }>(data.shape)
        .filter(([name, schema]) => free.test(name) && schema.safeParse('anything at all').success)
        .map(([name]) => name);
      expect([type, personalMembers(type, 'data')]).toEqual([type, texts]);
    }
  });

  it('tell an id from a text, and notice a member that is not declared', () => {
    expect(requireFit('webhook.deleted', { webhook_id: newId() })).toBeUndefined();
    expect(() => requireFit('webhook.deleted', { webhook_id: 'mine' })).toThrow(
      'webhook.deleted was recorded with',
    );
    expect(() => requireFit('user.purged', { email: 'asha@example.org' })).toThrow('email');
  });
});

describe('splitPersonalData', () => {
  it.each<[EventType, 'data' | 'metadata', Record<string, unknown>, string[]]>([
    ['user.suspended', 'data', { reason: 'rude' }, ['reason']],
    ['user.suspended', 'data', { reason: null }, []],
    ['mfa.disabled', 'data', { reason: 'reset' }, []],
    ['api_key.created', 'data', { api_key_id: '1', name: 'Asha', permissions: [] }, ['name']],
    ['trading_account.credentials_read', 'data', { reason: 'x', fields: [] }, ['reason']],
    ['trading_account.linked', 'data', { broker: 'kite', broker_user_id: 'AB1' }, ['broker_user_id']],
    ['user.login', 'metadata', { request_id: newId(), ip: '192.0.2.1', user_agent: null }, ['ip']],
    ['user.login', 'metadata', { request_id: 'asha@x.in', ip: '192.0.2.1' }, ['request_id', 'ip']],
    ['user.login', 'metadata', { request_id: newId(), api_key_id: newId() }, []],
  ])('%s %s %j: apart go %j', (type, part, members, apart) => {
    const { kept, personal } = splitPersonalData(type, part, members, null);
    expect(Object.keys(personal?.content ?? {})).toEqual(apart);
    expect({ ...kept, ...personal?.content }).toEqual(members);
    expect(Object.keys(kept)).toEqual(Object.keys(members).filter((name) => !apart.includes(name)));
  });
});

describe('A run of all tests', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('misses the types that nobody recorded', async () => {
    const folder = makeTestFolder();
    try {
      expect(missingEvents(folder)).toEqual(eventTypes);
      await newSignedIn(service);
      await noteEvents(service.db, folder);
      const missing = missingEvents(folder);
      expect(missing).not.toEqual(expect.arrayContaining(['user.login']));
      expect(missing).toContain('user.purged');
      appendFileSync(join(folder, 'seen-events'), eventTypes.join('\n'));
      expect(missingEvents(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('fails where a service records what its schema does not know', async () => {
    const events = service.app.get(Events);
    const caller = { requestId: newId(), ip: '192.0.2.1', userAgent: null, permissions: new Set<string>() };
    const record = (session_id: string) =>
      service.db.transaction((tx) =>
        events.record(tx, caller, {
          type: 'user.logout',
          subject: `user:${newId()}`,
          data: { session_id, all_devices: false },
        }),
      );
    await expect(record('no id')).rejects.toThrow('user.logout was recorded with');
    const together = service.db.transaction((tx) =>
      events.recordAll(tx, caller, `user:${newId()}`, [
        { type: 'user.logout', data: { session_id: newId(), all_devices: false } },
        { type: 'user.logout', data: { session_id: 'no id', all_devices: false } },
      ]),
    );
    await expect(together).rejects.toThrow('user.logout was recorded with');
    await expect(record(newId())).resolves.toBeUndefined();
  });
});
