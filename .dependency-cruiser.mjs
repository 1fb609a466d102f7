/**
 * The house's floors (docs/development.md): a file imports only from floors below its own. `npm run lint` and
 * `test/architecture` both read this.
 */
const FLOOR_2 = ['config', 'database', 'journal', 'lifecycle', 'redis', 'request-context', 'tls', 'workers'];
const FLOOR_3 = ['accounting', 'audit', 'auth', 'filter', 'router', 'telemetry'];
const FLOOR_4 = ['gateway', 'primary'];

const rooms = (...floors) => `^src/(${floors.flat().join('|')})/`;
const packageFolder = (names) => `node_modules/(${names.join('|')})(/|$)`;

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Two files that need each other are one thing, or want a third that both can stand on.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'domain-stands-alone',
      severity: 'error',
      comment: 'Floor 1 imports no other room.',
      from: { path: '^src/domain/' },
      to: { path: '^(src|migrations|test|scripts)/', pathNot: '^src/domain/' },
    },
    {
      name: 'domain-knows-no-framework',
      severity: 'error',
      comment: 'The contracts are plain TypeScript; of all packages only RxJS may appear, as the type of a stream.',
      from: { path: '^src/domain/' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer'], pathNot: packageFolder(['rxjs']) },
    },
    {
      name: 'floor-2-looks-down',
      severity: 'error',
      comment: 'Floor 2 imports from the domain and from its own floor.',
      from: { path: rooms(FLOOR_2) },
      to: { path: '^src/', pathNot: rooms(FLOOR_2, 'domain') },
    },
    {
      name: 'floor-3-looks-down',
      severity: 'error',
      comment: 'Floor 3 imports from floors 1 and 2.',
      from: { path: rooms(FLOOR_3) },
      to: { path: '^src/', pathNot: rooms(FLOOR_2, FLOOR_3, 'domain') },
    },
    {
      name: 'rooms-of-floor-3-are-strangers',
      severity: 'error',
      comment: 'They talk through interfaces that stand in the domain.',
      from: { path: `^src/(${FLOOR_3.join('|')})/` },
      to: { path: rooms(FLOOR_3), pathNot: '^src/$1/' },
    },
    {
      name: 'floor-4-looks-down',
      severity: 'error',
      comment: 'The gateway never imports what wires it.',
      from: { path: rooms(FLOOR_4) },
      to: { path: '^src/', pathNot: rooms(FLOOR_2, FLOOR_3, FLOOR_4, 'domain') },
    },
    {
      name: 'every-room-has-a-floor',
      severity: 'error',
      comment: 'A new room is given its floor here first.',
      from: {},
      to: { path: '^src/[^/]+/', pathNot: rooms('domain', FLOOR_2, FLOOR_3, FLOOR_4, 'cli') },
    },
    {
      name: 'migrations-stand-alone',
      severity: 'error',
      comment: 'A migration is history: what it does may not change with the sources.',
      from: { path: '^migrations/' },
      to: { path: '^(src|test|scripts)/' },
    },
    {
      name: 'sources-import-no-tests',
      severity: 'error',
      from: { path: '^(src|migrations)/' },
      to: { path: '^(test|scripts|examples)/' },
    },
    {
      name: 'one-place-dials-out',
      severity: 'error',
      comment: 'Timeouts, aborts, size limits and pools of upstream connections have one owner: the router.',
      from: { path: '^src/', pathNot: '^src/router/' },
      to: { path: packageFolder(['undici']) },
    },
    {
      name: 'production-needs-no-development-package',
      severity: 'error',
      comment: 'The embedded database is for development and is loaded only there.',
      from: { path: '^(src|migrations)/', pathNot: '^src/database/embedded-postgres' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'nothing-lies-unused',
      severity: 'error',
      comment: 'Every source is reached from the gateway or the command line.',
      from: { path: '^src/(main|cli/main)\\.ts$' },
      to: { path: '^src/', pathNot: '^src/cli/main\\.ts$', reachable: false },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
