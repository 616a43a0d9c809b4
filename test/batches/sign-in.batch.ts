import { runBatch } from './run-batch';

runBatch('sign-in');
