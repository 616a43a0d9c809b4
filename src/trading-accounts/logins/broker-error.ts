import { AppError } from '../../common/app-error';
import { BrokerFailure } from '../brokers/broker';
import { brokerBadAnswer, brokerRefused, brokerUnavailable } from '../trading-accounts.errors';

/**
 * What the caller hears of a broker's failure. Anything else comes back as it is.
 * @param field of the body, which the broker did not accept.
 */
export function brokerError(error: unknown, field: string): unknown {
  return error instanceof BrokerFailure ? translate(error, field) : error;
}

function translate(failure: BrokerFailure, field: string): AppError {
  switch (failure.kind) {
    case 'session_over':
      return refused(failure, field, 'used, too old, or not of this API key');
    case 'refused':
      return refused(failure, field, 'refused: the app, its secret or its user is not accepted');
    case 'unavailable':
      return brokerUnavailable({ cause: failure, retryAfter: failure.details.retryAfter ?? 1 });
    case 'bad_answer':
      return brokerBadAnswer({ cause: failure });
  }
}

const refused = (cause: BrokerFailure, field: string, message: string): AppError =>
  brokerRefused({ cause, fields: [{ field, message: `${field}: ${message}` }] });
