import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** What a suite says that reads shared data, itself or through the helpers of test/support. */
const READS_SHARED_DATA = /AEGIS_SHARED_DIR|findShared|support\/(recordings|openai-schema)/;

/**
 * Names every test that did not run and closes with one plain line of counts. With CI=true a test that did not run
 * fails the run: a suite that quietly skips itself proves nothing. The one exception is a suite that reads shared
 * data (`AEGIS_SHARED_DIR`) on a machine that has none.
 */
export default class SummaryReporter {
  #globalConfig;
  #error;

  constructor(globalConfig) {
    this.#globalConfig = globalConfig;
  }

  onRunComplete(_contexts, results) {
    const { rootDir } = this.#globalConfig;
    const filtered = Boolean(this.#globalConfig.testNamePattern);
    const skipped = results.testResults.flatMap(({ testFilePath, testResults, skipped: isFileSkipped }) => {
      const file = path.relative(rootDir, testFilePath);
      if (isFileSkipped && testResults.length === 0) return [{ file, name: '(the whole file)' }];
      return testResults
        .filter(({ status }) => status === 'pending' || status === 'todo' || status === 'disabled')
        .map(({ fullName }) => ({ file, name: fullName }));
    });

    if (skipped.length > 0 && !filtered) {
      console.log('\nNot run:');
      for (const { file, name } of skipped) console.log(`  ${file}: ${name}`);
    }
    if (process.env.CI === 'true' && !filtered) {
      const sharedDir = path.resolve(rootDir, process.env.AEGIS_SHARED_DIR ?? '../shared');
      const excused = (file) =>
        !existsSync(sharedDir) && READS_SHARED_DATA.test(readFileSync(path.join(rootDir, file), 'utf8'));
      const unexcused = skipped.filter(({ file }) => !excused(file));
      if (unexcused.length > 0) {
        this.#error = new Error(`${unexcused.length} of these must run: CI allows no skip.`);
        console.error(this.#error.message);
      }
    }

    if (results.numPassedTests + results.numFailedTests === 0 && results.numRuntimeErrorTestSuites === 0) {
      this.#error = new Error('No test ran: nothing has that name.');
      console.error(this.#error.message);
    }

    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    console.log(`\n${results.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped`);
  }

  getLastError() {
    return this.#error;
  }
}
