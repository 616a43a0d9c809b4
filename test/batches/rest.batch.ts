import { runBatch } from './run-batch';

runBatch('rest');
