import { Injectable } from '@nestjs/common';

/** The only source of wall-clock time in the core, so that tests can move it. */
@Injectable()
export class Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number {
    return Date.now();
  }

  date(): Date {
    return new Date(this.now());
  }
}
