import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { IdentifiedCaller } from '../../common/caller';
import { validationFailed } from '../../common/common.errors';
import { PageQuery } from '../../common/pagination';
import { CallerParam } from '../../infra/http/caller.decorator';
import { Operation } from '../../infra/http/operation.decorator';
import { SealList } from './seals.dto';
import { Seals } from './seals.service';

@ApiTags('Audit')
@Controller('v1/audit/seals')
export class SealsController {
  constructor(private readonly seals: Seals) {}

  @Get()
  @Operation({
    summary: 'The daily seals of the event chain',
    description:
      'Newest first. Every event has a link in a hash chain; the end of each UTC day is signed. Keep them somewhere ' +
      'else: they prove what the events were even if this database is changed.',
    reply: SealList,
    permission: 'audit:read',
    errors: [validationFailed],
  })
  async list(@CallerParam() caller: IdentifiedCaller, @Query() page: PageQuery): Promise<SealList> {
    return this.seals.list(caller, page);
  }
}
