import { setTimeout as sleep } from 'node:timers/promises';
import { Clock } from '../../common/clock';
import { RemoteFailure, unavailableBecause } from './remote-call';

/** For so long a rotation that somebody else made may stay unnoticed. */
const LIFE_MS = 60_000;

export interface RotationPatience {
  /** For how long the next version is waited for, and how often it is looked for. */
  rotationMs: number;
  pollMs: number;
}

export const PATIENCE: RotationPatience = { rotationMs: 60_000, pollMs: 500 };

/** What a remote KMS says its current version is, asked at most once a minute. */
export class MasterKeyVersion {
  private known?: { version: string; since: number };

  /** @param ask the provider. @throws unavailable */
  constructor(
    private readonly ask: () => Promise<string>,
    private readonly clock: Clock,
    private readonly patience: RotationPatience,
  ) {}

  /** @throws unavailable */
  async current(): Promise<string> {
    if (!this.known) return this.look();
    const age = this.clock.now() - this.known.since;
    // A clock that was moved back makes nothing younger.
    return age >= 0 && age < LIFE_MS ? this.known.version : this.look();
  }

  /** Tells under which version the provider has just wrapped: where it is another one, it is asked again. */
  seen(version: string): void {
    if (this.known?.version !== version) this.known = undefined;
  }

  /**
   * Rotates, and waits until the provider says that it has: AWS does so after it answered, and a Vault that stands by
   * learns of it later.
   * @returns the new version. @throws unavailable also when it takes too long; then it comes by itself.
   */
  async advance(rotate: () => Promise<unknown>): Promise<string> {
    const before = await this.look();
    await rotate();
    const end = performance.now() + this.patience.rotationMs;
    for (;;) {
      const version = await this.look();
      if (version !== before) return version;
      if (performance.now() > end) throw unavailableBecause(NOT_YET);
      await sleep(this.patience.pollMs);
    }
  }

  private async look(): Promise<string> {
    const version = await this.ask();
    this.known = { version, since: this.clock.now() };
    return version;
  }
}

const NOT_YET = new RemoteFailure(
  'the rotation of the master key has begun and is not done: ask for the version later, do not rotate again',
  { passing: true },
);
