/** One runner for every kind of test; `--selectProjects` picks a kind. */
const swc = JSON.parse(await (await import('node:fs/promises')).readFile(new URL('.swcrc', import.meta.url), 'utf8'));
delete swc.$schema;
delete swc.exclude;

const common = {
  rootDir: '.',
  testEnvironment: 'node',
  extensionsToTreatAsEsm: [],
  transform: { '^.+\\.[cm]?[tj]s$': ['@swc/jest', { ...swc, swcrc: false, module: { type: 'commonjs' } }] },
  // Nest 12 and a few of its dependencies are ESM only; Jest runs CommonJS.
  transformIgnorePatterns: ['/node_modules/(?!(@nestjs|cookie|file-type|load-esm|lru-cache|yaml|uid|iterare)/)'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  setupFiles: ['reflect-metadata'],
};

export default {
  testTimeout: 30_000,
  projects: ['unit', 'contract', 'architecture', 'e2e', 'integration', 'conformance', 'faults'].map((name) => ({
    ...common,
    displayName: name,
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  })),
};
