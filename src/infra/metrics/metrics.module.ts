/** The metrics of this process, and with workers of the whole instance, for Prometheus. Who may see them is the door's question. */
import { Global, Module } from '@nestjs/common';
import { Metrics } from './metrics';
import { StoreMetrics } from './store-metrics';
import './worker-metrics';

@Global()
@Module({ providers: [Metrics, StoreMetrics], exports: [Metrics] })
export class MetricsModule {}
