import { Controller, Get, Headers, Inject, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { createHash, timingSafeEqual } from 'node:crypto';
import { notAuthenticated, notFound } from '../../common/common.errors';
import { CONFIG, Config } from '../../config/config';
import type { HttpReply } from '../../infra/http/http-request';
import { Public } from '../../infra/http/public.decorator';
import { Metrics } from '../../infra/metrics/metrics';

/** `/metrics` in the Prometheus text format. It has a key of its own: scrapers don't sign in. */
@ApiExcludeController()
@Public()
@Controller('metrics')
export class MetricsController {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly metrics: Metrics,
  ) {}

  @Get()
  async scrape(
    @Headers('authorization') authorization: string | undefined,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<string> {
    this.authorize(authorization);
    void reply.header('Cache-Control', 'no-store').type(this.metrics.contentType);
    return this.metrics.scrape();
  }

  /** Without a token to ask for, `/metrics` is open in development and does not exist elsewhere. */
  private authorize(authorization = ''): void {
    const token = this.config.METRICS_TOKEN;
    if (!token) {
      if (this.config.ENVIRONMENT === 'development') return;
      throw notFound();
    }
    const given = /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? '';
    // Digests, because the comparison wants equal lengths and must not tell them.
    if (!timingSafeEqual(digest(given), digest(token))) {
      throw notAuthenticated({ message: 'The token for metrics is needed.' });
    }
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
