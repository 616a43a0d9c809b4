const one = require('../jest.config.js');

/**
 * Specs of the other run once more, on a Redis Cluster of six processes. It has no numbered databases: each spec finds it
 * empty and has it to itself. So one runs at a time.
 */
module.exports = {
  ...one,
  rootDir: '../..',
  testRegex: 'test/cluster/.*\\.spec\\.ts$',
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
  setupFiles: ['<rootDir>/test/cluster/whole-cluster.ts'],
  globalSetup: '<rootDir>/test/cluster/global-setup.ts',
  globalTeardown: '<rootDir>/test/cluster/global-teardown.ts',
};
