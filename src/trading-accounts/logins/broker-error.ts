import { AppError } from '../../common/app-error';
import { BrokerFailure } from '../brokers/broker';
import { brokerBadAnswer, brokerRefused, brokerUnavailable } from '../trading-accounts.errors';

type Field = 'request_token' | 'access_token';

/** Nobody knows whether the login took place; with it, an older session would be over. */
const LOST_LOGIN =
  'The broker gave no answer that could be used. Nothing was stored here, but the broker may have taken the login, ' +
  'and ended the session before it: log in there again.';

/**
 * What the caller hears of a broker's failure. Anything else comes back as it is.
 * @param field of the body, which the broker did not accept.
 */
export function brokerError(error: unknown, field: Field): unknown {
  return error instanceof BrokerFailure ? translate(error, field) : error;
}

function translate(failure: BrokerFailure, field: Field): AppError {
  const message = field === 'request_token' && failure.isOutcomeUnknown ? LOST_LOGIN : undefined;
  switch (failure.kind) {
    case 'session_over':
      return refused(failure, field, 'used, too old, or not of this API key');
    case 'refused':
      return refused(failure, field, 'refused: the app, its secret or its user is not accepted');
    case 'unavailable':
      return brokerUnavailable({ cause: failure, message, retryAfter: failure.details.retryAfter ?? 1 });
    case 'bad_answer':
      return brokerBadAnswer({ cause: failure, message });
  }
}

const refused = (cause: BrokerFailure, field: Field, message: string): AppError =>
  brokerRefused({ cause, fields: [{ field, message: `${field}: ${message}` }] });
