import { runBatch } from './run-batch';

runBatch('mfa');
