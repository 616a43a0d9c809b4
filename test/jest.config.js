/** Real servers, real HTTP: see test/support/global-setup.ts. */
module.exports = {
  rootDir: '..',
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testRegex: '\\.spec\\.ts$',
  // Those are a run of their own, see test/cluster/jest.config.js.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/cluster/'],
  testEnvironment: '<rootDir>/test/support/telling-environment.js',
  testTimeout: 30_000,
  reporters: ['default', '<rootDir>/test/support/totals-reporter.js'],
  maxWorkers: 3,
  // Each spec leaves its copy of every module behind; with dozens of them collecting garbage stops a worker for seconds.
  workerIdleMemoryLimit: '700MB',
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // Nest 12, jose, openid-client, oidc-provider and some of their dependencies are ESM only; jest runs CommonJS, so they are compiled too.
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: {
          target: 'es2022',
          keepClassNames: true,
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'commonjs' },
      },
    ],
    '^.+\\.m?js$': [
      '@swc/jest',
      {
        swcrc: false,
        jsc: { target: 'es2022', parser: { syntax: 'ecmascript' } },
        module: { type: 'commonjs' },
      },
    ],
  },
  // Imported late, and by the name that it has in dist/.
  moduleNameMapper: { '^\\.\\./infra/database/migrate\\.js$': '<rootDir>/src/infra/database/migrate.ts' },
  transformIgnorePatterns: [
    '/node_modules/(?!(@nestjs|@fastify|cookie|glob|minimatch|path-scurry|brace-expansion|balanced-match|lru-cache|minipass|content-disposition|mime|http-errors|jose|otplib|@otplib|@scure|@noble|file-type|strtok3|token-types|uint8array-extras|@tokenizer|@borewit|uuid|mmdb-lib|rate-limiter-flexible|@zxcvbn-ts|p-queue|p-timeout|openid-client|oauth4webapi|oidc-provider)/)',
  ],
};
