import { AppError } from '../../common/app-error';
import { FailureDetails, RemoteFailure } from './remote-call';

/**
 * A secret under a version of the master key that is not here, or not yet. Unlike an `IntegrityError` it says nothing of
 * the secret: a machine that has not got a new key must not call damaged what the others read.
 */
export class MissingVersion extends RemoteFailure {
  constructor(message: string, details: FailureDetails = { passing: false }) {
    super(message, details);
    this.name = 'MissingVersion';
  }
}

/** Whether an `unavailable` is about one version only: secrets under others can be had. */
export const isMissingVersion = (error: unknown): boolean =>
  error instanceof AppError && error.cause instanceof MissingVersion;
