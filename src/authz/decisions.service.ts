import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { EntityManager } from 'typeorm';
import { IdentifiedCaller } from '../common/caller';
import { Clock } from '../common/clock';
import { permissionDenied } from '../common/common.errors';
import { PermissionCache } from './permission-cache';

/** Where a permission comes from, and its end in milliseconds since the Unix epoch (null: none). */
interface Holding {
  source: 'role' | 'direct';
  until: number | null;
}

type Holdings = Record<string, Holding> | null;

/** Many users hold the same. */
const MOST_PARSED = 1_000;

export interface Decision {
  allowed: boolean;
  /** `role`, `direct`, or why not. */
  reason: Holding['source'] | 'no_permission' | 'not_in_api_key' | 'account_not_active';
  /** Whether it came from the cache. */
  cached: boolean;
}

const LOAD = `
  WITH RECURSIVE held (role) AS (
    SELECT role FROM user_roles WHERE user_id = $1
    UNION
    SELECT roles.parent FROM held JOIN roles ON roles.name = held.role WHERE roles.parent IS NOT NULL
  ), holdings (permission, source, until) AS (
    SELECT permission, 'direct', floor(extract(epoch FROM expires_at) * 1000)
    FROM user_permissions WHERE user_id = $1
    UNION ALL
    SELECT permission, 'role', NULL FROM role_permissions JOIN held USING (role)
  )
  SELECT status IN ('active', 'pending_verification') AS active,
         coalesce(json_agg(holdings ORDER BY source) FILTER (WHERE permission IS NOT NULL), '[]') AS holdings
  FROM users LEFT JOIN holdings ON true
  WHERE id = $1 AND deleted_at IS NULL
  GROUP BY id`;

interface Row {
  active: boolean;
  holdings: ({ permission: string } & Holding)[];
}

/**
 * Who may do what, at this moment. Everything that asks for a permission asks here: the check of the API, the guard of
 * the routes, the limits of an API key. Denies by default, and never allows because a store is away.
 */
@Injectable()
export class Decisions {
  /** By the text of the cache: what is read for each request need not be parsed for each. */
  private readonly parsed = new LRUCache<string, { holdings: Holdings }>({ max: MOST_PARSED });

  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly cache: PermissionCache,
  ) {}

  async check(userId: string, permission: string): Promise<Decision> {
    const { holdings, cached } = await this.holdings(userId);
    if (!holdings) return { allowed: false, reason: 'account_not_active', cached };
    const holding = holdings[permission];
    if (!holding || !this.isInForce(holding)) return { allowed: false, reason: 'no_permission', cached };
    return { allowed: true, reason: holding.source, cached };
  }

  /** As `check` for whoever calls: with an API key nobody may do more than the key allows. */
  async checkCaller({ userId, keyPermissions }: IdentifiedCaller, permission: string): Promise<Decision> {
    const decision = await this.check(userId, permission);
    if (!decision.allowed || (keyPermissions?.has(permission) ?? true)) return decision;
    return { ...decision, allowed: false, reason: 'not_in_api_key' };
  }

  /** @throws permission_denied */
  async requireOfCaller(caller: IdentifiedCaller, permission: string): Promise<void> {
    if (!(await this.checkCaller(caller, permission)).allowed) throw permissionDenied();
  }

  /** Everything a user may do now; nothing where the account is not active. */
  async permissionsOf(userId: string): Promise<ReadonlySet<string>> {
    const { holdings } = await this.holdings(userId);
    return new Set(
      Object.entries(holdings ?? {})
        .filter(([, holding]) => this.isInForce(holding))
        .map(([permission]) => permission),
    );
  }

  /** As `permissionsOf` for whoever calls, within the limits of the API key. */
  async permissionsOfCaller({ userId, keyPermissions }: IdentifiedCaller): Promise<ReadonlySet<string>> {
    const held = await this.permissionsOf(userId);
    return keyPermissions === undefined
      ? held
      : new Set([...held].filter((name) => keyPermissions.has(name)));
  }

  private isInForce({ until }: Holding): boolean {
    return until === null || until > this.clock.now();
  }

  private async holdings(userId: string): Promise<{ holdings: Holdings; cached: boolean }> {
    const { data, cached } = await this.cache.get(userId, () => this.load(userId));
    return { holdings: data === null ? null : this.parse(data), cached };
  }

  private parse(data: string): Holdings {
    let known = this.parsed.get(data);
    if (!known) {
      known = { holdings: JSON.parse(data) as Holdings };
      this.parsed.set(data, known);
    }
    return known.holdings;
  }

  /** As text for the cache: JSON, or null where there is no such account. */
  private async load(userId: string): Promise<string | null> {
    const [row] = await this.db.query<Row[]>(LOAD, [userId]);
    if (!row) return null;
    if (!row.active) return 'null';
    // Sorted by source, and the last one counts: what a role gives has no end.
    return JSON.stringify(
      Object.fromEntries(row.holdings.map(({ permission, ...holding }) => [permission, holding])),
    );
  }
}
