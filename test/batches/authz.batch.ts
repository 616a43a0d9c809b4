import { runBatch } from './run-batch';

runBatch('authz');
