import { Injectable } from '@nestjs/common';
import { EntityManager, IsNull } from 'typeorm';
import { requirePermission } from '../authz/require-permission';
import { IdentifiedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { pageOf, PageQuery } from '../common/pagination';
import { Identities } from '../identities/identities.service';
import { apiKeyItem } from './api-key-item';
import { ApiKey } from './api-key.entity';
import { ApiKeyList } from './api-keys.dto';

/** Shows the keys of an account, newest first. Revoked ones are gone; their events stay. */
@Injectable()
export class ListApiKeys {
  constructor(
    private readonly db: EntityManager,
    private readonly identities: Identities,
  ) {}

  /** @throws permission_denied, not_found */
  async run(caller: IdentifiedCaller, userId: string, page: PageQuery): Promise<ApiKeyList> {
    requirePermission(caller, 'user:read');
    if (!(await this.identities.findById(userId))) throw notFound();
    const [keys, total] = await this.db.findAndCount(ApiKey, {
      where: { userId, revokedAt: IsNull() },
      order: { id: 'DESC' },
      take: page.limit,
      skip: page.offset,
    });
    return pageOf(keys.map(apiKeyItem), total, page);
  }
}
