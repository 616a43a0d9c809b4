/**
 * A process that only publishes events, for tests that kill or stop it; it runs what the last build made of the relay.
 * RELAY_CONFIG holds its configuration, RELAY_FREEZES the type of an event at which it stops itself (SIGSTOP) between
 * reading and publishing.
 */
const { Logger } = require('@nestjs/common');
const { loadConfig } = require('../../dist/src/config/config');
const { Relay } = require('../../dist/src/infra/events/relay');

Logger.overrideLogger({
  log: (message) => process.send?.(message),
  warn: (message) => process.send?.(message),
  error: (message) => process.send?.(message),
});

const relay = new Relay(loadConfig(JSON.parse(process.env.RELAY_CONFIG)), true);
if (process.env.RELAY_FREEZES) {
  let frozen = false;
  relay.onEvent(process.env.RELAY_FREEZES, async () => {
    if (frozen) return;
    frozen = true;
    process.kill(process.pid, 'SIGSTOP');
  });
}
relay.onApplicationBootstrap();

process.once('SIGTERM', () => void relay.onApplicationShutdown().then(() => process.disconnect()));
// The test has ended.
process.once('disconnect', () => process.exit(0));
