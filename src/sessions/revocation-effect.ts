import { Injectable, OnModuleInit } from '@nestjs/common';
import { Relay } from '../infra/events/relay';
import { SessionStore } from './session-store';

/**
 * Makes revocations durable: what was committed to PostgreSQL is carried out in Redis by the event relay too, should
 * Redis have been away at that moment, or have lost its last second of writes.
 */
@Injectable()
export class RevocationEffect implements OnModuleInit {
  constructor(
    private readonly relay: Relay,
    private readonly store: SessionStore,
  ) {}

  onModuleInit(): void {
    this.relay.onEvent('session.revoked', async ({ subject, data }) => {
      const userId = subject.slice('user:'.length);
      await this.store.carryOut(userId, data);
      await this.store.forgotten(userId);
    });
  }
}
