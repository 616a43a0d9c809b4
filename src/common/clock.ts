import { Injectable } from '@nestjs/common';

/** The only source of wall-clock time in the core, so that tests can move it. */
@Injectable()
export class Clock {
  private correction = 0;

  /** Milliseconds since the Unix epoch. */
  now(): number {
    return Date.now() + this.correction;
  }

  date(): Date {
    return new Date(this.now());
  }

  /** @param milliseconds to be added to what this machine's clock says; those of an earlier call do not count any more. */
  correct(milliseconds: number): void {
    this.correction = milliseconds;
  }
}
