import { Controller, Delete, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { AuthenticatedCaller } from '../common/caller';
import { notFound } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { IdParam } from '../infra/http/id-param.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { SessionList } from './sessions.dto';
import { Sessions } from './sessions.service';

@ApiTags('Sessions')
@Controller('v1/auth/sessions')
export class SessionsController {
  constructor(private readonly sessions: Sessions) {}

  @Get()
  @Operation({ summary: 'Where you are signed in', reply: SessionList })
  async list(@CallerParam() caller: AuthenticatedCaller): Promise<SessionList> {
    return this.sessions.list(caller);
  }

  @Delete(':session_id')
  @Operation({ summary: 'Sign out one session', status: 204, errors: [...bodyErrors, notFound] })
  async end(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('session_id') sessionId: string,
  ): Promise<void> {
    await this.sessions.end(caller, sessionId);
  }
}
