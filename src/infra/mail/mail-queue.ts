import { Inject, Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { MailJob } from './mail';
import { MAIL_TIMING, MailTiming, retryDelay } from './mail-timing';

export interface ClaimedJob extends MailJob {
  /** This one included. */
  attempts: number;
}

interface Row {
  id: string;
  kind: string;
  payload: Record<string, unknown>;
  created_at: Date;
  attempts: number;
}

/**
 * The statements on `mail_outbox`. A claim is a lease, not a lock: no transaction stays open while a mail is on its
 * way, and a process that dies leaves nothing behind but a date. All times are the database's own.
 */
@Injectable()
export class MailQueue {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(MAIL_TIMING) private readonly timing: MailTiming,
  ) {}

  /** Takes on up to `limit` due jobs of these kinds; those of kinds from a newer version wait for it. */
  async claim(kinds: string[], limit: number): Promise<ClaimedJob[]> {
    // MATERIALIZED, for a plain sub-select may be run, and lock its LIMIT of rows, more than once.
    const [rows] = await this.dataSource.query<[Row[], number]>(
      `WITH due AS MATERIALIZED (
         SELECT id FROM mail_outbox
         WHERE failed_at IS NULL AND due_at <= now() AND kind = ANY($1::text[])
         ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
       )
       UPDATE mail_outbox SET due_at = now() + $3 * interval '1 millisecond', attempts = attempts + 1
       FROM due WHERE mail_outbox.id = due.id
       RETURNING mail_outbox.id, kind, payload, created_at, attempts`,
      [kinds, limit, this.timing.lease],
    );
    return rows.map(({ created_at, ...row }) => ({ ...row, createdAt: created_at }));
  }

  async remove(job: ClaimedJob): Promise<void> {
    await this.dataSource.query(`DELETE FROM mail_outbox WHERE id = $1`, [job.id]);
  }

  /**
   * Puts a job that failed back, unless another process has taken it over meanwhile.
   * @returns whether it was given up: too old to be tried again, its row kept for the operator.
   */
  async putBack(job: ClaimedJob, reason: string): Promise<boolean> {
    const [rows] = await this.dataSource.query<[{ given_up: boolean }[], number]>(
      `UPDATE mail_outbox SET last_error = $3, due_at = now() + $4 * interval '1 millisecond',
         failed_at = CASE WHEN created_at <= now() - $5 * interval '1 millisecond' THEN now() END
       WHERE id = $1 AND attempts = $2
       RETURNING failed_at IS NOT NULL AS given_up`,
      [job.id, job.attempts, reason, retryDelay(job.attempts, this.timing), this.timing.giveUp],
    );
    return rows[0]?.given_up ?? false;
  }

  async counts(): Promise<{ waiting: number; given_up: number }> {
    const [counts] = await this.dataSource.query<{ waiting: number; given_up: number }[]>(
      `SELECT count(*) FILTER (WHERE failed_at IS NULL)::int AS waiting, count(failed_at)::int AS given_up
       FROM mail_outbox`,
    );
    return counts!;
  }
}
