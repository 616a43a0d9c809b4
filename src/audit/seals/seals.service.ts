import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { requirePermission } from '../../authz/require-permission';
import { IdentifiedCaller } from '../../common/caller';
import { PageQuery } from '../../common/pagination';
import { readAuditKeys } from './audit-key';
import { SEAL_COLUMNS, SealRow, toSeal } from './seal';
import { SealList } from './seals.dto';

/** Shows the seals, to be kept where nobody who can change the database can change them. */
@Injectable()
export class Seals {
  constructor(private readonly db: EntityManager) {}

  /** Newest first, with every key that seals were ever signed with. @throws permission_denied */
  async list(caller: IdentifiedCaller, { limit, offset }: PageQuery): Promise<SealList> {
    requirePermission(caller, 'audit:read');
    const rows = await this.db.query<SealRow[]>(
      `SELECT ${SEAL_COLUMNS} FROM event_seals ORDER BY event_seals.day DESC LIMIT $1 OFFSET $2`,
      [limit, offset],
    );
    const [{ total }] = await this.db.query<[{ total: number }]>(
      'SELECT count(*)::int AS total FROM event_seals',
    );
    return {
      seals: rows.map(toSeal).map((seal) => ({
        day: seal.day,
        first_position: seal.firstPosition,
        last_position: seal.lastPosition,
        head: seal.head.toString('hex'),
        kid: seal.kid,
        jws: seal.jws,
      })),
      keys: await readAuditKeys((sql) => this.db.query(sql)),
      total,
      limit,
      offset,
      has_more: offset + rows.length < total,
    };
  }
}
