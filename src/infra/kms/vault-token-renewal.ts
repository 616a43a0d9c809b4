import { Logger } from '@nestjs/common';
import { failureReason } from '../logging/failure-reason';

const LONGEST_RETRY_MS = 10_000;
const SHORTEST_MS = 500;
/** setTimeout takes no more than 24 days. */
const LONGEST_MS = 24 * 3_600_000;

/** What Vault says of a renewed token. */
export interface TokenLease {
  /** Zero: for ever. */
  seconds: number;
  renewable: boolean;
}

/** Has Vault's token renewed when two thirds of its life are over, as long as Vault lets it. */
export class VaultTokenRenewal {
  private token?: string;
  private timer?: NodeJS.Timeout;
  private interval = LONGEST_RETRY_MS;
  private readonly logger = new Logger(VaultTokenRenewal.name);

  /** @param renew null where Vault does not renew this token. @throws unavailable */
  constructor(private readonly renew: () => Promise<TokenLease | null>) {}

  /** Tells which token Vault has just believed. */
  used(token: string): void {
    if (token === this.token) return;
    this.token = token;
    this.schedule(0);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.token = undefined;
  }

  private schedule(milliseconds: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.run(this.token), Math.min(milliseconds, LONGEST_MS)).unref();
  }

  private async run(token: string | undefined): Promise<void> {
    const next = await this.milliseconds();
    if (next !== null && token !== undefined && this.token === token) this.schedule(next);
  }

  /** Until the next renewal; null where there is none. */
  private async milliseconds(): Promise<number | null> {
    try {
      const lease = await this.renew();
      if (!lease?.renewable || lease.seconds === 0) return null;
      return (this.interval = Math.max((lease.seconds * 2000) / 3, SHORTEST_MS));
    } catch (error) {
      this.logger.warn(`the token for Vault could not be renewed: ${failureReason(causeOf(error))}`);
      // A third of its life is left at first: time for some more tries.
      return Math.max(Math.min(this.interval / 8, LONGEST_RETRY_MS), SHORTEST_MS);
    }
  }
}

const causeOf = (error: unknown): unknown => (error instanceof Error && error.cause ? error.cause : error);
