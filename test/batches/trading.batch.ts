import { runBatch } from './run-batch';

runBatch('trading');
