import { accessEvents } from './schemas/access-events';
import { accountEvents } from './schemas/account-events';
import { operationEvents } from './schemas/operation-events';
import { tradingAccountEvents } from './schemas/trading-account-events';

/**
 * What happens here, and what subscribers are told of it: each type with its `data`, declared once. Ids only: never a
 * secret, never a password, never an e-mail address. Types and members may be added; nothing that is there goes, or
 * means something else, without a new version (`EVENT_VERSION`).
 */
export const eventSchemas = {
  ...accountEvents,
  ...accessEvents,
  ...tradingAccountEvents,
  ...operationEvents,
};
