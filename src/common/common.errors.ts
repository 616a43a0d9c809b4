import { defineError } from './app-error';

export const malformedRequest = defineError(
  'malformed_request',
  'malformed',
  'The request could not be read.',
);
export const validationFailed = defineError('validation_failed', 'invalid', 'Some fields are not valid.');
export const notAuthenticated = defineError(
  'not_authenticated',
  'unauthenticated',
  'A valid access token is needed.',
);
export const invalidAccessToken = defineError(
  'invalid_access_token',
  'unauthenticated',
  'The access token is not valid here, or no longer.',
);
export const invalidApiKey = defineError(
  'invalid_api_key',
  'unauthenticated',
  'The API key is not valid here, or no longer.',
);
export const sessionRequired = defineError(
  'session_required',
  'forbidden',
  'An API key cannot do this: sign in.',
);
export const permissionDenied = defineError(
  'permission_denied',
  'forbidden',
  'You do not have the permission that this needs.',
);
export const featureDisabled = defineError('feature_disabled', 'forbidden', 'This is switched off here.');
export const notFound = defineError('not_found', 'not_found', 'There is nothing here, or it is not yours.');
export const conflict = defineError('conflict', 'conflict', 'This contradicts the present state.');
export const payloadTooLarge = defineError(
  'payload_too_large',
  'too_large',
  'The body is larger than 64 KiB.',
);
export const unsupportedMediaType = defineError(
  'unsupported_media_type',
  'unsupported',
  'Send the body as application/json.',
);
export const rateLimited = defineError('rate_limited', 'rate_limited', 'Too many requests. Try again later.');
export const unavailable = defineError(
  'unavailable',
  'unavailable',
  'A part of the service cannot answer right now. Try again soon.',
);
export const internalError = defineError('internal_error', 'internal', 'Something went wrong on our side.');
