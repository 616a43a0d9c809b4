import { Logger } from '@nestjs/common';
import { loadConfig } from '../../src/config/config';
import { startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { brokerNames } from '../../src/trading-accounts/brokers/broker-adapters';
import { KiteBroker } from '../../src/trading-accounts/brokers/kite/kite-broker';
import { brokerContract, BrokerWorld } from './broker.contract';

const TIMEOUT_SECONDS = 1;

beforeAll(() => Logger.overrideLogger(false));
afterAll(() => Logger.overrideLogger(true));

async function kiteWorld(): Promise<BrokerWorld> {
  const kite = await startKiteSandbox();
  const config = loadConfig({
    KITE_API_BASE_URL: kite.url,
    KITE_LOGIN_URL: kite.loginUrl,
    KITE_API_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
    KITE_API_MAX_RETRIES: '1',
  });
  return {
    broker: new KiteBroker(config),
    timeoutMs: TIMEOUT_SECONDS * 1000,
    newApp: () => kite.newApp(),
    login: ({ apiKey }, userId) => kite.login(apiKey, userId),
    endSessions: () => kite.expireSessions(),
    trouble: (kind) => kite.fault(kind),
    requests: () => kite.calls.length,
    stop: () => kite.stop(),
  };
}

const worlds: Record<string, () => Promise<BrokerWorld>> = { kite: kiteWorld };

for (const [name, make] of Object.entries(worlds)) brokerContract(name, make);

it('has every adapter keep the contract', () => {
  expect(Object.keys(worlds)).toEqual(brokerNames);
});
