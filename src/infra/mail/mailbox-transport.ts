import { Inject, Injectable } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Clock } from '../../common/clock';
import { MailMessage, MailTransport } from './mail';

const KEY = 'dev:mailbox';
const KEPT = 200;

export interface MailboxEntry extends MailMessage {
  /** RFC 3339. */
  date: string;
}

/** Development only: nothing leaves the house, the newest mails are kept in Redis, where every process sees them. */
@Injectable()
export class MailboxTransport implements MailTransport {
  constructor(
    @Inject(Redis) private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  async send({ to, subject, text, html }: MailMessage): Promise<void> {
    const entry: MailboxEntry = { to, subject, text, html, date: this.clock.date().toISOString() };
    await this.redis.lpush(KEY, JSON.stringify(entry));
    await this.redis.ltrim(KEY, 0, KEPT - 1);
  }

  /** Newest first. */
  async list(): Promise<MailboxEntry[]> {
    return (await this.redis.lrange(KEY, 0, -1)).map((entry) => JSON.parse(entry) as MailboxEntry);
  }

  async clear(): Promise<void> {
    await this.redis.del(KEY);
  }

  async close(): Promise<void> {}
}
