const { appendFileSync } = require('node:fs');

/** Writes a line with the totals of a run to the file that TEST_TOTALS names: `npm test` is more than one run. */
module.exports = class TotalsReporter {
  onRunComplete(_contexts, { numPassedTests, numFailedTests, numFailedTestSuites }) {
    if (!process.env.TEST_TOTALS) return;
    // A suite that could not even start has no failed tests.
    const failed = Math.max(numFailedTests, numFailedTestSuites);
    appendFileSync(process.env.TEST_TOTALS, `${JSON.stringify({ passed: numPassedTests, failed })}\n`);
  }
};
