import { Injectable } from '@nestjs/common';
import { unavailable } from '../common/common.errors';

/** Shut while Redis may take a session for open that was ended: nobody is let in, nor refused for good, until it knows. */
@Injectable()
export class SessionGate {
  private isShut = false;

  get isOpen(): boolean {
    return !this.isShut;
  }

  shut(): void {
    this.isShut = true;
  }

  open(): void {
    this.isShut = false;
  }

  /** @throws unavailable */
  requireOpen(): void {
    if (this.isShut) throw unavailable();
  }
}
