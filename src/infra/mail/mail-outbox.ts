import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { newId } from '../../common/ids';
import { MailComposer } from './mail';

/** The durable outbox: mail is a row of the transaction that causes it, and leaves the house later. */
@Injectable()
export class MailOutbox {
  private readonly composers = new Map<string, MailComposer>();
  private listener: () => void = () => {};

  /**
   * Says who writes the mails of a kind. Call it when the feature starts (`onModuleInit`).
   * @throws Error when the kind is taken: a programming error.
   */
  register(kind: string, composer: MailComposer): void {
    if (this.composers.has(kind)) throw new Error(`mail kind ${kind} is registered twice`);
    this.composers.set(kind, composer);
  }

  /**
   * Puts a mail into the caller's transaction: it is sent, at least once, if and only if that commits.
   * @param payload what the composer needs, as JSON; never a secret.
   * @throws Error when nobody has registered the kind: a programming error, and the mail would wait for ever.
   */
  async enqueue(tx: EntityManager, kind: string, payload: Record<string, unknown>): Promise<void> {
    if (!this.composers.has(kind)) throw new Error(`mail kind ${kind} is not registered`);
    await tx.query(
      `INSERT INTO mail_outbox (id, kind, payload, created_at, due_at) VALUES ($1, $2, $3::jsonb, now(), now())`,
      [newId(), kind, JSON.stringify(payload)],
    );
    this.listener();
  }

  /** Calls back on each `enqueue` of this process, before its transaction commits. */
  whenEnqueued(listener: () => void): void {
    this.listener = listener;
  }

  composer(kind: string): MailComposer | undefined {
    return this.composers.get(kind);
  }

  kinds(): string[] {
    return [...this.composers.keys()];
  }
}
