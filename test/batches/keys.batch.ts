import { runBatch } from './run-batch';

runBatch('keys');
