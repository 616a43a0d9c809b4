/**
 * The HTTP door: who is calling, what may come in, how errors leave. It refuses every route without a caller unless
 * the route says otherwise, and knows nothing of what the features do.
 */
import { BeforeApplicationShutdown, DynamicModule, Inject, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiKeysModule } from '../../api-keys/api-keys.module';
import { AuthzModule } from '../../authz/authz.module';
import { CONFIG, Config } from '../../config/config';
import { usesKiteSandbox } from '../../config/kite-sandbox';
import { Readiness } from '../../infra/health/readiness';
import { SessionsModule } from '../../sessions/sessions.module';
import { TokensModule } from '../../tokens/tokens.module';
import { ApiKeyCallers } from './api-key-callers';
import { ApiKeyStrategy } from './api-key.strategy';
import { AuthenticateGuard } from './authenticate.guard';
import { BearerCallers } from './bearer-callers';
import { endKeepAlive } from './close-idle-connections';
import { DevMailboxController } from './dev-mailbox.controller';
import { HealthController } from './health.controller';
import { MetricsController } from './metrics.controller';
import { GooglePageController } from './pages/google-page.controller';
import { KitePageController } from './pages/kite-page.controller';
import { PagesController } from './pages/pages.controller';
import { PermissionGuard } from './permission.guard';
import { ProblemFilter } from './problem.filter';
import { validationPipe } from './validation.pipe';

@Module({})
export class HttpModule implements BeforeApplicationShutdown {
  constructor(
    private readonly readiness: Readiness,
    private readonly adapter: HttpAdapterHost,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  static with(config: Config): DynamicModule {
    const hasMailbox = config.ENVIRONMENT === 'development' && !config.SMTP_HOST;
    return {
      module: HttpModule,
      imports: [AuthzModule, TokensModule, SessionsModule, ApiKeysModule],
      controllers: [
        HealthController,
        MetricsController,
        PagesController,
        GooglePageController,
        ...(hasMailbox ? [DevMailboxController] : []),
        ...(usesKiteSandbox(config) ? [KitePageController] : []),
      ],
      providers: [
        BearerCallers,
        ApiKeyStrategy,
        ApiKeyCallers,
        // In this order: who is it, and may they?
        { provide: APP_GUARD, useClass: AuthenticateGuard },
        { provide: APP_GUARD, useClass: PermissionGuard },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useFactory: validationPipe },
      ],
    };
  }

  /** Readiness turns red first; listening goes on until load balancers have noticed. A worker that has retired is done. */
  async beforeApplicationShutdown(): Promise<void> {
    this.readiness.drain();
    const server = this.adapter.httpAdapter.getHttpServer() as Server;
    if (!server.listening) return;
    endKeepAlive(server);
    await sleep(this.config.SHUTDOWN_DRAIN_SECONDS * 1000);
  }
}
