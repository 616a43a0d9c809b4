/** `npm test`: as jest.config.js, in batches (see batches/batches.js). */
const { ALONE } = require('./batches/batches');

const escaped = ALONE.map((spec) => `/${spec.replaceAll('.', '\\.')}$`);

module.exports = {
  ...require('./jest.config'),
  testRegex: ['\\.batch\\.ts$', ...escaped],
};
