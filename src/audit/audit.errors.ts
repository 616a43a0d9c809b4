import { defineError } from '../common/app-error';

export const exportFailed = defineError(
  'export_failed',
  'conflict',
  'The export could not be finished, or is not what was stored any more. Make another one.',
);
