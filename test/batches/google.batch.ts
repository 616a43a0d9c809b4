import { runBatch } from './run-batch';

runBatch('google');
