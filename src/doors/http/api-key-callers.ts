import { Injectable } from '@nestjs/common';
import { ApiKeyLookup } from '../../api-keys/api-key-lookup.service';
import { IdentifiedCaller } from '../../common/caller';
import type { HttpRequest } from '../../infra/http/http-request';
import { anonymousCaller } from './anonymous-caller';

/** Makes a caller of an API key that is in force: its owner, within the limits of the key, without a session. */
@Injectable()
export class ApiKeyCallers {
  constructor(private readonly keys: ApiKeyLookup) {}

  /** @throws invalid_api_key */
  async of(request: HttpRequest, text: string): Promise<IdentifiedCaller> {
    const key = await this.keys.find(text);
    return {
      ...anonymousCaller(request),
      userId: key.userId,
      apiKeyId: key.id,
      keyPermissions: key.permissions,
      ...(key.expiresAt !== null && { keyExpiresAt: key.expiresAt }),
    };
  }
}
