import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** One runner for every kind of test; `--selectProjects` picks a kind. */
const { $schema, ...swc } = JSON.parse(readFileSync(new URL('.swcrc', import.meta.url), 'utf8'));

const common = {
  rootDir: '.',
  testEnvironment: 'node',
  transform: { '^.+\\.[cm]?[tj]s$': ['@swc/jest', { ...swc, swcrc: false, module: { type: 'commonjs' } }] },
  // Nest 12 and a few of its dependencies are ESM only, and the OTLP exporter imports as it goes; Jest runs CommonJS.
  transformIgnorePatterns: [
    '/node_modules/(?!(@nestjs|@opentelemetry/otlp-exporter-base|canonicalize|cookie|file-type|load-esm|lru-cache|yaml|uid|iterare)/)',
  ],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // It says where it is to those alone who import it.
    '^canonicalize$': '<rootDir>/node_modules/canonicalize/lib/canonicalize.js',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist'],
  setupFiles: ['reflect-metadata'],
};

/** One real PostgreSQL, and a real Redis where one can be had, for all kinds that ask for them. */
const stores = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

const kinds = {
  unit: {},
  contract: {},
  architecture: {},
  conformance: stores,
  e2e: stores,
  integration: stores,
  faults: stores,
  fuzz: stores,
  // By `npm run test:fleet` alone, which says with what timings.
  ...(process.env.AEGIS_FLEET_TIMINGS ? { fleet: stores } : {}),
};

export default {
  testTimeout: 30_000,
  // Most tests wait for something most of the time.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  reporters: [
    'default',
    '<rootDir>/scripts/jest/fault-table-reporter.mjs',
    '<rootDir>/scripts/jest/summary-reporter.mjs',
  ],
  collectCoverageFrom: ['src/**/*.ts'],
  coverageProvider: 'v8',
  projects: Object.entries(kinds).map(([name, extra]) => ({
    ...common,
    ...extra,
    displayName: name,
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  })),
};
