import { CreateAdministrator } from '../src/users/create-administrator.service';
import { ensureFirstAdministrator } from '../src/users/first-administrator';
import { startService, TestService } from './support/app';
import { newAdministrator, SignedIn, signIn } from './support/people';
import { newServiceAccount } from './support/services';

describe('the administrators that the operator makes', () => {
  let service: TestService;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service.stop());

  const remove = ({ userId }: { userId: string }, by: SignedIn) =>
    service.client().delete(`/v1/users/${userId}`, by.accessToken).expect(200);

  it('are made anew where the address belonged to one who was deleted', async () => {
    const admin = await newAdministrator(service);
    const wish = { email: 'boss@example.org', name: 'Boss' };
    const first = await service.app.get(CreateAdministrator).run(wish);
    await remove(first, admin);
    const second = await service.app.get(CreateAdministrator).run(wish);
    expect(second).toMatchObject({ email: wish.email, created: true });
    expect(second.userId).not.toBe(first.userId);
    const { accessToken } = await signIn(service, { ...wish, password: second.password! });
    await service.client().get('/v1/users', accessToken).expect(200);
  });

  it('are not made in an account that is suspended', async () => {
    const admin = await newAdministrator(service);
    const wish = { email: 'boss@example.org', name: 'Boss' };
    const { userId } = await service.app.get(CreateAdministrator).run(wish);
    await service.client().post(`/v1/users/${userId}/suspend`, {}, admin.accessToken).expect(200);
    await expect(service.app.get(CreateAdministrator).run(wish)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('begin with one in development, who is made once, and again when nobody is left', async () => {
    const robot = await newServiceAccount(service);
    await service.db.query(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [robot]);
    const first = await ensureFirstAdministrator(service.app);
    expect(first).toEqual({ email: 'admin@example.com', password: expect.any(String) });
    expect(await ensureFirstAdministrator(service.app)).toEqual(first);
    const { userId } = await signIn(service, { ...first, password: first.password!, name: '' });

    const other = await newAdministrator(service);
    await remove({ userId }, other);
    expect(await ensureFirstAdministrator(service.app)).toEqual({ email: other.person.email });
    await service.db.query(`UPDATE users SET status = 'deleted', deleted_at = now() WHERE id = $1`, [
      other.userId,
    ]);
    const again = await ensureFirstAdministrator(service.app);
    expect(again.email).toBe('admin@example.com');
    expect(again.password).not.toBe(first.password);
    await signIn(service, { ...again, password: again.password!, name: '' });
  });
});
