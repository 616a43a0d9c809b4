import { validationFailed } from '../../common/common.errors';
import { LoginToken } from './broker-logins.service';

/** The token of a body that may bring one of two. Null: none. @throws validation_failed for both at once */
export function loginToken({
  request_token: requestToken,
  access_token: accessToken,
}: {
  request_token?: string | null;
  access_token?: string | null;
}): LoginToken | null {
  if (requestToken != null && accessToken != null) throw bothTokens();
  if (requestToken != null) return { requestToken };
  return accessToken != null ? { accessToken } : null;
}

const bothTokens = (): Error =>
  validationFailed({
    fields: [{ field: 'access_token', message: 'access_token: send this or a request_token, not both' }],
  });
