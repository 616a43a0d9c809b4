import { runBatch } from './run-batch';

runBatch('units');
