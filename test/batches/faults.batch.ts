import { runBatch } from './run-batch';

runBatch('faults');
