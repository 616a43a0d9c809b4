/**
 * Scheduled jobs: when each is due, who does it, how it went. What is done belongs to the features. It refuses to run in a
 * command of the CLI, and promises no exact times.
 */
import { Global, Module } from '@nestjs/common';
import { FleetJobs } from './fleet-jobs';
import { JobMarks } from './job-marks';

@Global()
@Module({ providers: [FleetJobs, JobMarks], exports: [FleetJobs] })
export class JobsModule {}
