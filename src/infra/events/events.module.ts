/**
 * Events: recorded in the transaction of the change they tell of, published from there by one process of the fleet.
 * It refuses to publish what was not committed, and to forget what was not published.
 */
import { Global, Module } from '@nestjs/common';
import { MetricsModule } from '../metrics/metrics.module';
import { EventBacklog } from './event-backlog';
import { Events } from './events';
import { Relay } from './relay';

@Global()
@Module({
  imports: [MetricsModule],
  providers: [Events, Relay, EventBacklog],
  exports: [Events, Relay, EventBacklog],
})
export class EventsModule {}
