import { Logger } from '@nestjs/common';

/** Logs when something we depend on goes away and when it is back: once each, however often it is tried. */
export class DependencyLog {
  private away = false;

  constructor(
    private readonly logger: Logger,
    private readonly name: string,
  ) {}

  failed(reason: string): void {
    if (!this.away) this.logger.warn(`${this.name}: ${reason}; tried again until it works`);
    this.away = true;
  }

  worked(): void {
    if (this.away) this.logger.log(`${this.name}: works again`);
    this.away = false;
  }
}
