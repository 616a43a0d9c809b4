import { collectDefaultMetrics, Registry } from 'prom-client';

/** Every metric of this process. The standard ones of Node (memory, garbage collection, event loop lag) are in it. */
export const metricsRegistry = new Registry();

collectDefaultMetrics({ register: metricsRegistry });
