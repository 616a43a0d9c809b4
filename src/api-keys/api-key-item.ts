import { ApiKey } from './api-key.entity';
import { ApiKeyItem } from './api-keys.dto';

/** What is shown of a key. */
export function apiKeyItem(key: ApiKey): ApiKeyItem {
  return {
    key_id: key.id,
    user_id: key.userId,
    name: key.name,
    prefix: key.prefix,
    permissions: key.permissions,
    created_by: key.createdBy,
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
  };
}
