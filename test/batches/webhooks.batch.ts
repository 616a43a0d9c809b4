import { runBatch } from './run-batch';

runBatch('webhooks');
