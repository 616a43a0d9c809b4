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
  @Operation({
    summary: 'Where you are signed in',
    description:
      'Every session of yours that is in force, the one used last first; `current` marks the one that asks. `country` ' +
      'comes from a database that is kept here, and is null where that does not know the address.',
    reply: SessionList,
  })
  async list(@CallerParam() caller: AuthenticatedCaller): Promise<SessionList> {
    return this.sessions.list(caller);
  }

  @Delete(':session_id')
  @Operation({
    summary: 'Sign out one session',
    description:
      'Of your own, the current one too. Its refresh token no longer works, and this service refuses its access tokens at ' +
      "once; whoever checks those by the public keys alone takes them until `exp`. Somebody else's session is as unknown " +
      'as one that is over. No cookie is cleared: `POST /v1/auth/logout` does that.',
    status: 204,
    errors: [...bodyErrors, notFound],
  })
  async end(
    @CallerParam() caller: AuthenticatedCaller,
    @IdParam('session_id') sessionId: string,
  ): Promise<void> {
    await this.sessions.end(caller, sessionId);
  }
}
