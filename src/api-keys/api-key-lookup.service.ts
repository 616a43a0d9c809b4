import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../common/clock';
import { invalidApiKey } from '../common/common.errors';
import { apiKeyHash, isApiKey } from './api-key-format';
import { apiKeyRequests } from './api-key-metrics';
import { ApiKeyUsage } from './api-key-usage';

/** What a key stands for. */
export interface KnownApiKey {
  id: string;
  /** The account it belongs to. */
  userId: string;
  /** The most that it allows, whatever its owner holds. */
  permissions: ReadonlySet<string>;
  /** Null: it lasts until it is revoked. */
  expiresAt: Date | null;
}

interface Row {
  id: string;
  user_id: string;
  permissions: string[];
  expires_at: Date | null;
}

/**
 * Whose key is it? One question to PostgreSQL each time, and nothing remembered: a key is over at once, on every
 * instance, when it is revoked or its owner suspended or deleted. The index finds the hash of the key. How long that
 * takes tells at most something of a hash, from which nobody gets to a key, so no comparison in constant time is needed.
 * Wrong keys are not counted: noise has no right checksum and costs nothing, whoever computes one pays for a request
 * as for any other, and 190 bits are not guessed.
 */
@Injectable()
export class ApiKeyLookup {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly usage: ApiKeyUsage,
  ) {}

  /** @throws invalid_api_key */
  async find(text: string): Promise<KnownApiKey> {
    const key = isApiKey(text) ? await this.load(text) : undefined;
    apiKeyRequests.inc({ result: key ? 'accepted' : 'refused' });
    if (!key) throw invalidApiKey();
    this.usage.note(key.id);
    return {
      id: key.id,
      userId: key.user_id,
      permissions: new Set(key.permissions),
      expiresAt: key.expires_at,
    };
  }

  private async load(text: string): Promise<Row | undefined> {
    const [key] = await this.db.query<Row[]>(
      `SELECT api_keys.id, user_id, permissions, expires_at
       FROM api_keys JOIN users ON users.id = user_id
       WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
         AND kind = 'service' AND status = 'active' AND deleted_at IS NULL`,
      [apiKeyHash(text), this.clock.date()],
    );
    return key;
  }
}
