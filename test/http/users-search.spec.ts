import { startService, TestService } from '../support/app';
import { deleteAccount, setStatus } from '../support/account-rows';
import { newAdministrator, newPerson, newSignedIn, register, SignedIn } from '../support/people';
import { expectInvalid, expectProblem } from '../support/problem';

const UNKNOWN = '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10';
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('GET /v1/users', () => {
  let service: TestService;
  let admin: SignedIn;
  beforeAll(async () => {
    service = await startService();
    admin = await newAdministrator(service);
  });
  afterAll(() => service.stop());

  const list = (query: Record<string, string> | string = {}) =>
    service.client().get(`/v1/users?${new URLSearchParams(query).toString()}`, admin.accessToken);

  const emailsOf = async (query: Record<string, string>): Promise<string[]> => {
    const { body } = await list(query).expect(200);
    expect(body.total).toBe(body.items.length);
    return (body.items as { email: string }[]).map(({ email }) => email);
  };

  /** People whose addresses begin alike, oldest first; their addresses. */
  async function family(...locals: string[]): Promise<string[]> {
    const emails = locals.map((local) => `${local}@example.net`);
    for (const email of emails) await register(service, { ...newPerson(), email });
    return emails;
  }

  it('shows what an account is, and no more', async () => {
    const somebody = await newSignedIn(service);
    const { body } = await list({ email: somebody.person.email }).expect(200);
    expect(body).toEqual({
      items: [
        {
          user_id: somebody.userId,
          kind: 'person',
          email: somebody.person.email,
          email_verified: false,
          name: 'Asha Rao',
          status: 'pending_verification',
          mfa_enabled: false,
          roles: ['trader'],
          created_at: expect.stringMatching(TIME),
          updated_at: expect.stringMatching(TIME),
          last_login_at: expect.stringMatching(TIME),
        },
      ],
      total: 1,
      total_is_exact: true,
      limit: 50,
      offset: 0,
      has_more: false,
    });
  });

  it('finds addresses by their beginning, in any letter case and with blanks around it', async () => {
    const [first, second, third] = await family('kiran', 'kiran.b', 'kirat');
    expect(await emailsOf({ email: 'kira' })).toEqual([second, first, third]);
    expect(await emailsOf({ email: ' KIRAN ' })).toEqual([second, first]);
    expect(await emailsOf({ email: 'kiran@example.net' })).toEqual([first]);
    expect(await emailsOf({ email: 'iran' })).toEqual([]);
  });

  it.each(['%', '_', '\\', '%a', 'wil_', 'wil%', 'wild\\', 'wild%@'])(
    'takes %j as it is written, not as a pattern',
    async (email) => {
      await service.db.query(`DELETE FROM users WHERE email LIKE 'wil%'`);
      await family('wild', 'wilb');
      expect(await emailsOf({ email })).toEqual([]);
    },
  );

  it('finds an address that holds a wildcard', async () => {
    const [underscore] = await family('a_b', 'axb');
    const [percent] = await family('a%b', 'axxb');
    expect(await emailsOf({ email: 'a_' })).toEqual([underscore]);
    expect(await emailsOf({ email: 'a%' })).toEqual([percent]);
  });

  it('filters by status and by role, and by all together', async () => {
    const [one, two, three] = await family('sita.1', 'sita.2', 'sita.3');
    await setStatus(service, one!, 'suspended');
    await setStatus(service, two!, 'active');
    await service.db.query(
      `INSERT INTO user_roles (user_id, role) SELECT id, 'viewer' FROM users WHERE email = ANY($1)`,
      [[one, three]],
    );
    expect(await emailsOf({ email: 'sita', status: 'suspended' })).toEqual([one]);
    expect(await emailsOf({ email: 'sita', status: 'pending_verification' })).toEqual([three]);
    expect(await emailsOf({ email: 'sita', role: 'viewer' })).toEqual([one, three]);
    expect(await emailsOf({ email: 'sita', role: 'viewer', status: 'suspended' })).toEqual([one]);
    expect(await emailsOf({ email: 'sita', role: 'admin' })).toEqual([]);
    expect(await emailsOf({ role: 'viewer' })).toEqual([three, one]);
    expect(await emailsOf({ role: 'viewer', status: 'deactivated' })).toEqual([]);
    expect(await emailsOf({ role: "'; DROP TABLE users; --" })).toEqual([]);
  });

  it('leaves deleted accounts out', async () => {
    const [gone, alive] = await family('ravi.gone', 'ravi.alive');
    await deleteAccount(service, gone!);
    expect(await emailsOf({ email: 'ravi' })).toEqual([alive]);
    await expectInvalid(list({ status: 'deleted' }), 'status');
  });

  describe.each<[string, Record<string, string>, string, (emails: string[]) => string[]]>([
    ['newest first', { role: 'paged' }, 'new', (emails) => emails.reverse()],
    ['by address where a beginning is given', { email: 'old.' }, 'old', (emails) => emails.sort()],
    [
      'by address, among those with a role',
      { email: 'few.', role: 'paged' },
      'few',
      (emails) => emails.sort(),
    ],
  ])('shows page after page, %s', (_, filter, name, inOrder) => {
    let emails: string[];
    beforeAll(async () => {
      await service.db.query(
        `INSERT INTO roles (name, parent, description) VALUES ('paged', NULL, '') ON CONFLICT DO NOTHING`,
      );
      await service.db.query(`DELETE FROM user_roles WHERE role = 'paged'`);
      emails = await family(...['3', '1', '5', '2', '4'].map((number) => `${name}.${number}`));
      await service.db.query(
        `INSERT INTO user_roles (user_id, role) SELECT id, 'paged' FROM users WHERE email = ANY($1)`,
        [emails],
      );
      emails = inOrder(emails);
    });

    const page = async (query: Record<string, string>) => {
      const { body } = await list({ ...filter, limit: '2', ...query }).expect(200);
      expect(body).toMatchObject({ total: 5, total_is_exact: true, limit: 2 });
      const users = body.items as { email: string; user_id: string }[];
      return { ...body, emails: users.map(({ email }) => email), last: users.at(-1)?.user_id };
    };

    it('each account once', async () => {
      const pages = [await page({}), await page({ offset: '2' }), await page({ offset: '4' })];
      expect(pages.flatMap((each) => each.emails as string[])).toEqual(emails);
      expect(pages.map((each) => each.has_more)).toEqual([true, true, false]);
      expect(pages.map((each) => each.offset)).toEqual([0, 2, 4]);
      expect(await page({ offset: '5' })).toMatchObject({ emails: [], has_more: false });
    });

    it('also to whoever walks, with people signing up and leaving meanwhile', async () => {
      const walked: string[] = [];
      let after: string | undefined;
      for (let more = true; more;) {
        const each = await page(after === undefined ? {} : { after });
        walked.push(...(each.emails as string[]));
        after = each.last;
        more = each.has_more;
        if (walked.length === 2) await register(service);
      }
      expect(walked).toEqual(emails);
      await deleteAccount(service, emails[1]!);
      const [gone] = await service.db.query<[{ id: string }]>(`SELECT id FROM users WHERE email = $1`, [
        emails[1],
      ]);
      const { body } = await list({ ...filter, limit: '2', after: gone.id }).expect(200);
      expect((body.items as { email: string }[]).map(({ email }) => email)).toEqual(emails.slice(2, 4));
    });
  });

  it('orders addresses by their characters, not as some language would', async () => {
    const emails = await family('zz-a', 'zz.b', 'zz0', 'zz_c', 'zza', 'zzé');
    expect(await emailsOf({ email: 'zz' })).toEqual(emails);
  });

  it('has nothing after an account that is unknown, where a beginning is given', async () => {
    await family('lone.1');
    const { body } = await list({ email: 'lone', after: UNKNOWN }).expect(200);
    expect(body).toMatchObject({ items: [], total: 1, has_more: false });
  });

  it.each<[string, string]>([
    ['limit', '0'],
    ['limit', '201'],
    ['limit', '-1'],
    ['limit', '1.5'],
    ['limit', '1e2'],
    ['limit', '0x10'],
    ['limit', ''],
    ['limit', ' 5'],
    ['limit', '99999999999999999999'],
    ['offset', '-1'],
    ['offset', '10001'],
    ['offset', 'many'],
    ['email', ''],
    ['email', ' '],
    ['email', 'x'.repeat(255)],
    ['email', 'a\0'],
    ['status', 'ACTIVE'],
    ['status', ''],
    ['role', ''],
    ['role', 'r'.repeat(65)],
    ['after', ''],
    ['after', 'me'],
    ['after', '1'],
  ])('refuses %s as %j', (field, value) => expectInvalid(list({ [field]: value }), field));

  it('refuses a filter that comes twice, and pages so deep that reading them would take long', async () => {
    for (const field of ['limit', 'email', 'status', 'role', 'after']) {
      await expectInvalid(list(`${field}=1&${field}=2`), field);
    }
    const { body } = await list({ offset: '10001' });
    expect(body.errors).toEqual([{ field: 'offset', message: 'offset must not be greater than 10000' }]);
    await list({ offset: '10000' }).expect(200);
    await expectInvalid(list({ offset: '1', after: admin.userId }), 'offset');
    await list({ offset: '0', after: admin.userId }).expect(200);
  });

  it('is for those who may read users', async () => {
    const trader = await newSignedIn(service);
    await expectProblem(service.client().get('/v1/users', trader.accessToken), 403, 'permission_denied');
    await expectProblem(service.client().get('/v1/users'), 401, 'not_authenticated');
    await expectProblem(service.client().get('/v1/users', 'x.y.z'), 401, 'invalid_access_token');
  });
});
