import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { EntityManager } from 'typeorm';
import { AppError } from '../../common/app-error';
import { systemCaller } from '../../common/caller';
import { newId } from '../../common/ids';
import { BrokerFailure } from '../brokers/broker';
import { Brokers } from '../brokers/brokers.service';
import { SessionEndRecord } from './session-end-record';
import { brokerCallInProgress } from '../trading-accounts.errors';
import { Turn, Turns } from './turns.service';
import { CredentialSets } from '../vault/credential-sets';
import { CredentialsVault } from '../vault/credentials-vault.service';

/** Longer than logins take, one after the other, while the broker is well. */
const TRIES = 30;
const BETWEEN_MS = 100;

/**
 * A login that could not be kept, because its account is linked already, may have replaced that account's session at the
 * broker: with the same app there is one at a time. Then the account must not look as if it could trade.
 */
@Injectable()
export class ReplacedSession {
  constructor(
    private readonly db: EntityManager,
    private readonly turns: Turns,
    private readonly brokers: Brokers,
    private readonly sets: CredentialSets,
    private readonly vault: CredentialsVault,
    private readonly record: SessionEndRecord,
  ) {}

  /** As far as it can be found out now: otherwise the next call with that session tells. Never throws. */
  async notice(accountId: string, apiKey: string): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        return await this.turns.during(accountId, (turn) => this.look(turn, apiKey));
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== brokerCallInProgress.code) return;
        // A login under way decides first which session the account has.
        await sleep(BETWEEN_MS);
      }
    }
  }

  private async look(turn: Turn, apiKey: string): Promise<void> {
    const isOver = turn.status === 'active' && (await this.isOver(turn, apiKey));
    if (!isOver) return this.turns.giveBack(turn);
    await this.db.transaction(async (tx) => {
      await this.turns.lock(tx, turn);
      await this.record.write(tx, systemCaller(newId()), turn.accountId, {
        reason: 'replaced',
        status: 'session_expired',
      });
    });
    await this.turns.giveBack(turn);
  }

  private async isOver(turn: Turn, apiKey: string): Promise<boolean> {
    const stored = await this.sets.find(turn.accountId, 'current');
    if (!stored) return false;
    const current = await this.vault.open(stored, { fields: ['apiKey', 'accessToken'] });
    if (current.apiKey !== apiKey || current.accessToken === null) return false;
    try {
      await this.brokers.of(turn.broker).profile({ apiKey, accessToken: current.accessToken });
      return false;
    } catch (error) {
      return error instanceof BrokerFailure && error.kind === 'session_over';
    }
  }
}
