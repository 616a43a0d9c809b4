const { TestEnvironment } = require('jest-environment-node');

/**
 * With a test that fails it prints what the service logged as errors meanwhile: a reply of 503 says nothing of its
 * cause, and a failure that comes once in a hundred runs cannot be asked again.
 */
module.exports = class TellingEnvironment extends TestEnvironment {
  handleTestEvent({ name, test }) {
    if (name === 'setup') this.global.serviceErrors = [];
    if (name === 'test_done' && test.errors.length > 0 && this.global.serviceErrors?.length > 0) {
      const lines = this.global.serviceErrors.slice(-10).map((error) => `  ${error.slice(0, 600)}\n`);
      process.stderr.write(`What the service said during "${test.name}":\n${lines.join('')}`);
    }
  }
};
