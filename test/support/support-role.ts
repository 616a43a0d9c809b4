import { TestService } from './app';
import { newAdministrator, SignedIn } from './people';

/** Somebody who may see and change users, and nothing else: not even what everybody may who signs up. */
export async function newSupporter(service: TestService): Promise<SignedIn> {
  await service.db.query(
    `INSERT INTO roles (name, parent, description) VALUES ('support', NULL, 'Helps') ON CONFLICT DO NOTHING`,
  );
  await service.db.query(
    `INSERT INTO role_permissions (role, permission) VALUES ('support', 'user:read'), ('support', 'user:write')
     ON CONFLICT DO NOTHING`,
  );
  const supporter = await newAdministrator(service, 'support');
  await service.db.query(`DELETE FROM user_roles WHERE user_id = $1 AND role = 'trader'`, [supporter.userId]);
  return supporter;
}
