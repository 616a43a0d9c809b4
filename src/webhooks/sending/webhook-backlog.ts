import { Injectable, OnModuleInit } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Clock } from '../../common/clock';
import { withDeadline } from '../../infra/deadline';
import { Metrics } from '../../infra/metrics/metrics';
import { webhookBacklog, webhookFanOutPending, webhookLag, webhooksFailing } from './webhook-metrics';

const COUNTED = 10_000;
const DEADLINE_MS = 1_000;

interface Backlog {
  pending: number;
  dead: number;
  failing: number;
  fanOut: number;
  lag: number;
}

const UNKNOWN: Backlog = { pending: NaN, dead: NaN, failing: NaN, fanOut: NaN, lag: NaN };

/** How far webhooks are behind, whichever process sends. */
@Injectable()
export class WebhookBacklog implements OnModuleInit {
  constructor(
    private readonly db: EntityManager,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.metrics.beforeScrape(async () => {
      const { pending, dead, failing, fanOut, lag } = await this.measure().catch(() => UNKNOWN);
      webhookBacklog.set({ status: 'pending' }, pending);
      webhookBacklog.set({ status: 'dead' }, dead);
      webhooksFailing.set(failing);
      webhookFanOutPending.set(fanOut);
      webhookLag.set(lag);
    });
  }

  private async measure(): Promise<Backlog> {
    const asked = this.db.query<Backlog[]>(
      `SELECT
         (SELECT count(*) FROM (
            SELECT FROM webhooks w JOIN webhook_deliveries d ON d.webhook_id = w.id
            WHERE w.enabled AND d.status = 'pending' LIMIT $1) counted)::int AS pending,
         (SELECT count(*) FROM (
            SELECT FROM webhook_deliveries WHERE status = 'dead' LIMIT $1) counted)::int AS dead,
         (SELECT count(*) FROM webhooks WHERE enabled AND failing_since IS NOT NULL)::int AS failing,
         (SELECT greatest(r.chain_position - f.position, 0) FROM event_relay r, webhook_fan_out f)::float AS "fanOut",
         coalesce(extract(epoch FROM $2::timestamptz - (
           SELECT min(due.due_at) FROM webhooks w CROSS JOIN LATERAL (
             SELECT due_at FROM webhook_deliveries d
             WHERE d.webhook_id = w.id AND d.status = 'pending' AND d.due_at <= $2 ORDER BY due_at LIMIT 1
           ) due
           WHERE w.enabled AND (w.rest_until IS NULL OR w.rest_until <= $2))), 0)::float AS lag`,
      [COUNTED, this.clock.date()],
    );
    const [backlog] = await withDeadline(asked, DEADLINE_MS, 'PostgreSQL');
    return backlog!;
  }
}
