import { Injectable } from '@nestjs/common';

/** Whether this process wants new requests. */
@Injectable()
export class Readiness {
  private leaving = false;

  get draining(): boolean {
    return this.leaving;
  }

  /** From now on load balancers should send requests elsewhere. For good: the process is about to end. */
  drain(): void {
    this.leaving = true;
  }
}
