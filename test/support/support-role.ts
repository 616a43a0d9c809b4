import { TestService } from './app';
import { newAdministrator, SignedIn } from './people';

/** Somebody who may see and change users, and nothing else that a trader may not. */
export async function newSupporter(service: TestService): Promise<SignedIn> {
  await service.db.query(
    `INSERT INTO roles (name, parent, description) VALUES ('support', NULL, 'Helps') ON CONFLICT DO NOTHING`,
  );
  await service.db.query(
    `INSERT INTO role_permissions (role, permission) VALUES ('support', 'user:read'), ('support', 'user:write')
     ON CONFLICT DO NOTHING`,
  );
  return newAdministrator(service, 'support');
}
