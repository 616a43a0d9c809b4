import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { IdentifiedCaller } from '../../common/caller';
import { notFound, validationFailed } from '../../common/common.errors';
import { CallerParam } from '../../infra/http/caller.decorator';
import { Operation } from '../../infra/http/operation.decorator';
import { AuditEventList, AuditEventsQuery } from './audit-event.dto';
import { ReadAuditEvents } from './read-audit-events.service';

@ApiTags('Audit')
@Controller('v1/audit')
export class AuditEventsController {
  constructor(private readonly read: ReadAuditEvents) {}

  @Get('events')
  @Operation({
    summary: 'What has happened to you, and what you did',
    description:
      'Newest first: what happened to your account, whoever did it (sign-ins, also refused ones, changes of password, ' +
      'roles and trading accounts, services that read your credentials), and what you did to others. Filters go ' +
      'together. What others did to you says who it was, not from where. `offset` reaches 10,000; to walk through ' +
      'everything, ask for `after` the last `event_id` you have got. An event is listed as soon as it is committed, some ' +
      'moments before subscribers are told of it.\n\nWith `user_id` the events of somebody else, also of an account that is deleted, for those ' +
      'who hold `audit:read`, all of it with address and program; for everybody else there is nothing there (404). Each such call is itself an event, `audit.read`, ' +
      'recorded before the reply, which that person sees: use `after` or `end_date` for further pages, for it moves ' +
      'those of `offset` by one. An API key reads the events of the account it stands for; of others ' +
      'if it names `audit:read`.',
    reply: AuditEventList,
    apiKeys: true,
    errors: [validationFailed, notFound],
  })
  async list(
    @CallerParam() caller: IdentifiedCaller,
    @Query() query: AuditEventsQuery,
  ): Promise<AuditEventList> {
    return this.read.run(caller, query);
  }
}
