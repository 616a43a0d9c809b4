import {
  malformedRequest,
  payloadTooLarge,
  unsupportedMediaType,
  validationFailed,
} from '../../common/common.errors';

/** What every operation with a body can answer. */
export const bodyErrors = [malformedRequest, payloadTooLarge, unsupportedMediaType, validationFailed];
