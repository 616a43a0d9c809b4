import { KiteBroker } from './kite/kite-broker';

/** Every broker there is: an adapter is a folder beside this file and a line here. */
export const brokerAdapters = [KiteBroker] as const;

/** Their names, as in the API. */
export const brokerNames: readonly string[] = brokerAdapters.map(({ brokerName }) => brokerName);
