import { runBatch } from './run-batch';

runBatch('users');
