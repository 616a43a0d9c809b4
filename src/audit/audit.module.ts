/**
 * What happened, for those it concerns: query, export, daily seals, proof. It refuses to change an event, to show one to
 * others without `audit:read`, and to forget one that is not sealed.
 */
import { Module } from '@nestjs/common';
import { AuthzModule } from '../authz/authz.module';
import { TokensModule } from '../tokens/tokens.module';
import { AuditExportsModule } from './exports/audit-exports.module';
import { AuditEventsController } from './reading/audit-events.controller';
import { AuditEvents } from './reading/audit-events.service';
import { ReadAuditEvents } from './reading/read-audit-events.service';
import { DropMonths } from './retention/drop-months';
import { RetentionSchedule } from './retention/retention-schedule';
import { SealDays } from './seals/seal-days';
import { SealSchedule } from './seals/seal-schedule';
import { SealsController } from './seals/seals.controller';
import { Seals } from './seals/seals.service';

@Module({
  imports: [AuthzModule, TokensModule, AuditExportsModule],
  controllers: [SealsController, AuditEventsController],
  providers: [Seals, SealDays, SealSchedule, DropMonths, RetentionSchedule, AuditEvents, ReadAuditEvents],
})
export class AuditModule {}
