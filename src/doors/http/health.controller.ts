import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import { CONFIG, Config } from '../../config/config';
import { HealthChecks } from '../../infra/health/health-checks';
import { Readiness } from '../../infra/health/readiness';
import type { HttpReply } from '../../infra/http/http-request';
import { Public } from '../../infra/http/public.decorator';
import { SessionGate } from '../../sessions/session-gate';
import { HealthReply, LiveReply, ReadyReply } from './health.replies';

const RETRY_AFTER_SECONDS = '1';

@ApiTags('Health')
@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly checks: HealthChecks,
    private readonly readiness: Readiness,
    private readonly sessions: SessionGate,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  @Get('live')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Liveness',
    description: 'Answers as long as the process does, whatever it depends on.',
  })
  @ApiOkResponse({ type: LiveReply, description: 'The process runs.' })
  live(): LiveReply {
    return { status: 'ok' };
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Readiness', description: 'Whether a load balancer should send requests here.' })
  @ApiOkResponse({ type: ReadyReply, description: 'Send requests.' })
  @ApiServiceUnavailableResponse({
    type: ReadyReply,
    description:
      'Send them elsewhere: PostgreSQL or Redis does not answer, Redis was away and does not know yet who was signed out meanwhile, or the process is about to end.',
  })
  async ready(@Res({ passthrough: true }) reply: HttpReply): Promise<ReadyReply> {
    const [postgres, redis] = await Promise.all([this.checks.postgres(), this.checks.redis()]);
    const healthy = postgres.status === 'ok' && redis.status === 'ok' && this.sessions.isOpen;
    const status = this.readiness.draining ? 'draining' : healthy ? 'ok' : 'degraded';
    setStatus(reply, status === 'ok');
    return { status, checks: { postgres, redis } };
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Summary',
    description: 'How the service and what it depends on are, for people.',
  })
  @ApiOkResponse({ type: HealthReply, description: 'All is well.' })
  @ApiServiceUnavailableResponse({ type: HealthReply, description: 'Something is not.' })
  async summary(@Res({ passthrough: true }) reply: HttpReply): Promise<HealthReply> {
    const [postgres, redis, events] = await Promise.all([
      this.checks.postgres(),
      this.checks.redis(),
      this.checks.events(),
    ]);
    const healthy = [postgres, redis, events].every((check) => check.status === 'ok');
    setStatus(reply, healthy);
    return {
      status: healthy ? 'ok' : 'degraded',
      name: this.config.APP_NAME,
      version: this.config.VERSION,
      uptime_seconds: Math.floor(process.uptime()),
      checks: { postgres, redis, events },
    };
  }
}

function setStatus(reply: HttpReply, isWell: boolean): void {
  void reply.status(isWell ? 200 : 503);
  if (!isWell) void reply.header('Retry-After', RETRY_AFTER_SECONDS);
}
