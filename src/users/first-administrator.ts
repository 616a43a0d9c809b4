import { INestApplicationContext } from '@nestjs/common';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EntityManager, IsNull } from 'typeorm';
import { CONFIG, Config } from '../config/config';
import { User } from '../identities/user.entity';
import { CreateAdministrator } from './create-administrator.service';

const EMAIL = 'admin@example.com';

interface FirstAdministrator {
  userId: string;
  email: string;
  password: string;
}

/**
 * Development only: makes an administrator where there is none. The password made for the first sign-in is kept
 * beside the development keys, so that a later start can show it again, until it was changed.
 */
export async function ensureFirstAdministrator(
  app: INestApplicationContext,
): Promise<{ email: string; password?: string }> {
  const db = app.get(EntityManager);
  const file = join(dirname(app.get<Config>(CONFIG).LOCAL_KMS_KEY_PATH), 'administrator.json');
  const [existing] = await db.query<{ email: string }[]>(
    `SELECT email FROM users JOIN user_roles ON user_id = id
     WHERE role = 'admin' AND kind = 'person' AND deleted_at IS NULL ORDER BY created_at LIMIT 1`,
  );
  if (existing) return (await stillInitial(db, file)) ?? { email: existing.email };

  const { userId, email, password } = await app
    .get(CreateAdministrator)
    .run({ email: EMAIL, name: 'Administrator' });
  if (password !== undefined) {
    // With a KMS elsewhere there may be no folder of keys.
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify({ userId, email, password } satisfies FirstAdministrator), {
      mode: 0o600,
    });
  }
  return { email, password };
}

async function stillInitial(
  db: EntityManager,
  file: string,
): Promise<{ email: string; password: string } | null> {
  try {
    const { userId, email, password } = JSON.parse(await readFile(file, 'utf8')) as FirstAdministrator;
    const user = await db.findOneBy(User, { id: userId, deletedAt: IsNull() });
    const untouched = user?.passwordChangedAt?.getTime() === user?.createdAt.getTime();
    return user && untouched ? { email, password } : null;
  } catch {
    return null;
  }
}
