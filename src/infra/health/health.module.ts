/** How this process is: whether it wants requests, and whether what it depends on answers. */
import { Global, Module } from '@nestjs/common';
import { HealthChecks } from './health-checks';
import { Readiness } from './readiness';

@Global()
@Module({ providers: [HealthChecks, Readiness], exports: [HealthChecks, Readiness] })
export class HealthModule {}
