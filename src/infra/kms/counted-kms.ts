import { OnApplicationShutdown } from '@nestjs/common';
import { IntegrityError } from './integrity-error';
import { Kms } from './kms';
import { kmsOperations } from './kms-metrics';

/** Any `Kms`, with its operations in the metrics. */
export class CountedKms implements Kms, OnApplicationShutdown {
  readonly provider: string;
  readonly stage?: () => Promise<string>;

  constructor(private readonly kms: Kms & Partial<OnApplicationShutdown>) {
    this.provider = kms.provider;
    if (kms.stage) this.stage = kms.stage.bind(kms);
  }

  wrap(secret: Uint8Array, context: string): Promise<Buffer> {
    return counted('wrap', this.kms.wrap(secret, context));
  }

  unwrap(wrapped: Uint8Array, context: string): Promise<Buffer> {
    return counted('unwrap', this.kms.unwrap(wrapped, context));
  }

  currentVersion(): Promise<string> {
    return this.kms.currentVersion();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.kms.onApplicationShutdown?.();
  }

  rotate(): Promise<string> {
    return this.kms.rotate();
  }
}

async function counted<T>(operation: 'wrap' | 'unwrap', work: Promise<T>): Promise<T> {
  try {
    const result = await work;
    kmsOperations.inc({ operation, result: 'success' });
    return result;
  } catch (error) {
    kmsOperations.inc({ operation, result: error instanceof IntegrityError ? 'refused' : 'failed' });
    throw error;
  }
}
