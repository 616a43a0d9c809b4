import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Authority } from '../authz/authority.service';
import { Principals } from '../authz/principals.service';
import { requirePermission } from '../authz/require-permission';
import { AuthenticatedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { conflict, notFound, validationFailed } from '../common/common.errors';
import { newId } from '../common/ids';
import { readEnd } from '../common/read-end';
import { Events } from '../infra/events/events';
import { apiKeyHash, apiKeyPrefix, newApiKey } from './api-key-format';
import { apiKeyItem } from './api-key-item';
import { ApiKey } from './api-key.entity';
import { CreateApiKeyBody, CreatedApiKey } from './api-keys.dto';
import { notAServiceAccount, tooManyApiKeys } from './api-keys.errors';

/** Revoked and expired ones do not count. */
const MOST_KEYS = 50;
/** For how long an expired key is listed. */
const KEPT_MS = 30 * 24 * 3600 * 1000;

/**
 * Makes keys for service accounts, and shows each once. It takes a session: a key that made keys would outlive its own
 * end, and a stolen one its discovery.
 */
@Injectable()
export class CreateApiKey {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly principals: Principals,
    private readonly authority: Authority,
  ) {}

  /**
   * @throws permission_denied, not_found, escalation_refused, not_a_service_account, too_many_api_keys; conflict for an
   * account that is suspended; validation_failed for a permission that does not exist, or an end that is past
   */
  async run(caller: AuthenticatedCaller, userId: string, body: CreateApiKeyBody): Promise<CreatedApiKey> {
    requirePermission(caller, 'user:write');
    const expiresAt = readEnd(body.expires_at, { now: this.clock.now() });
    const secret = newApiKey();
    const key = await this.db.transaction(async (tx) => {
      // It locks the account's row: whoever suspends or deletes it, or makes a key too, waits.
      await this.authority.requireOver(caller, userId, tx);
      await this.requireReady(tx, userId, body.permissions);
      // A key is theirs to use: nobody keeps by one what they hold for a while only.
      await this.authority.requireUntil(tx, caller, body.permissions, expiresAt);
      await this.deleteOld(tx, userId);
      return this.write(tx, caller, secret, { ...body, userId, expiresAt });
    });
    return { api_key: secret, key: apiKeyItem(key) };
  }

  private async requireReady(tx: EntityManager, userId: string, permissions: string[]): Promise<void> {
    const owner = await this.principals.load(userId, tx);
    if (!owner) throw notFound();
    if (owner.kind !== 'service') throw notAServiceAccount();
    if (owner.status !== 'active') throw conflict({ message: 'The account is not active.' });
    await requireKnown(tx, permissions);
    const [{ count }] = await tx.query<[{ count: number }]>(
      `SELECT count(*)::int AS count FROM api_keys
       WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)`,
      [userId, this.clock.date()],
    );
    if (count >= MOST_KEYS) throw tooManyApiKeys();
  }

  /** Whoever makes keys for an hour each leaves none of them behind for ever. Their events stay. */
  private async deleteOld(tx: EntityManager, userId: string): Promise<void> {
    const before = new Date(this.clock.now() - KEPT_MS);
    await tx.query(`DELETE FROM api_keys WHERE user_id = $1 AND expires_at < $2`, [userId, before]);
  }

  private async write(
    tx: EntityManager,
    caller: AuthenticatedCaller,
    secret: string,
    { userId, name, permissions, expiresAt }: Pick<ApiKey, 'userId' | 'name' | 'permissions' | 'expiresAt'>,
  ): Promise<ApiKey> {
    const key: ApiKey = {
      id: newId(),
      userId,
      name,
      prefix: apiKeyPrefix(secret),
      keyHash: apiKeyHash(secret),
      permissions: [...permissions].sort(),
      createdBy: `user:${caller.userId}`,
      createdAt: this.clock.date(),
      expiresAt,
      lastUsedAt: null,
      revokedAt: null,
    };
    await tx.insert(ApiKey, key);
    await this.events.record(tx, caller, {
      type: 'api_key.created',
      subject: `user:${userId}`,
      resource: `api_key:${key.id}`,
      data: {
        api_key_id: key.id,
        name,
        permissions: key.permissions,
        expires_at: expiresAt?.toISOString() ?? null,
      },
    });
    return key;
  }
}

/** What the account lacks now it may hold some day; a key allows nothing before. A misspelt name would stay useless. */
async function requireKnown(tx: EntityManager, permissions: string[]): Promise<void> {
  const unknown = await tx.query<{ name: string }[]>(
    `SELECT name FROM unnest($1::text[]) AS wanted (name) WHERE name NOT IN (SELECT name FROM permissions)`,
    [permissions],
  );
  if (unknown.length === 0) return;
  throw refused('permissions', `there is no ${unknown.map(({ name }) => name).join(', ')}`);
}

const refused = (field: string, message: string): Error =>
  validationFailed({ fields: [{ field, message: `${field}: ${message}` }] });
