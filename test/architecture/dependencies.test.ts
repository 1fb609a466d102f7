import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { listFiles, root } from './project.js';

interface CruiseResult {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly unknown[] }[];
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string };
    }[];
  };
}

function cruise(folder: string, ...sources: string[]): CruiseResult {
  const program = path.join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [program, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...sources],
    { cwd: folder, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 },
  );
  if (!stdout.startsWith('{')) throw new Error(`dependency-cruiser gave no result: ${stderr}`);
  return JSON.parse(stdout) as CruiseResult;
}

describe('the floors of the house', () => {
  const result = cruise(root, 'src', ...(listFiles(['migrations']).length > 0 ? ['migrations'] : []));

  it('are kept by every file', () => {
    expect(result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual([]);
  });

  it('were checked on every file there is', () => {
    const seen = result.modules.map(({ source }) => source).filter((source) => /^(src|migrations)\//.test(source));
    expect(seen.sort()).toEqual(listFiles(['migrations', 'src'], '.ts'));
    expect(result.modules.flatMap(({ dependencies }) => dependencies).length).toBeGreaterThan(seen.length);
  });
});

describe('a file that breaks a rule', () => {
  /** What stands in a house where each rule is broken once. */
  const planted: Readonly<Record<string, string>> = {
    'src/domain/floor.ts': "import { thing } from '../config/floor.js';\nexport const floor = thing;\n",
    'src/domain/framework.ts': "import { Module } from '@nestjs/common';\nexport const framework = Module;\n",
    'src/domain/type-only.ts': "import type { Redis } from 'ioredis';\nexport type Client = Redis;\n",
    'src/config/floor.ts': "import { guard } from '../auth/guard.js';\nexport const thing = guard;\n",
    'src/auth/guard.ts': "import { route } from '../router/route.js';\nexport const guard = route;\n",
    'src/auth/up.ts': "import { controller } from '../gateway/controller.js';\nexport const up = controller;\n",
    'src/router/route.ts': 'export const route = 1;\n',
    'src/router/ring.ts': "import { chain } from './chain.js';\nexport const ring = () => chain;\n",
    'src/router/chain.ts': "import { ring } from './ring.js';\nexport const chain = () => ring;\n",
    'src/gateway/controller.ts': "import { app } from '../app.module.js';\nexport const controller = app;\n",
    'src/gateway/dials.ts': "import { request } from 'undici';\nexport const dials = request;\n",
    'src/gateway/lost.ts': "import { nothing } from './gone.js';\nexport const lost = nothing;\n",
    'src/gateway/develops.ts': "import fc from 'fast-check';\nexport const develops = fc;\n",
    'src/gateway/tests.ts': "import { helper } from '../../test/helper.js';\nexport const tests = helper;\n",
    'src/cellar/wine.ts': 'export const wine = 1;\n',
    'src/app.module.ts': "import { wine } from './cellar/wine.js';\nexport const app = wine;\n",
    'src/main.ts': "import { app } from './app.module.js';\nexport const main = app;\n",
    'migrations/first.ts': "import { route } from '../src/router/route.js';\nexport const first = route;\n",
    'test/helper.ts': 'export const helper = 1;\n',
  };

  const expected: Readonly<Record<string, string>> = {
    'domain-stands-alone': 'src/domain/floor.ts',
    'floor-2-looks-down': 'src/config/floor.ts',
    'rooms-of-floor-3-are-strangers': 'src/auth/guard.ts',
    'floor-3-looks-down': 'src/auth/up.ts',
    'floor-4-looks-down': 'src/gateway/controller.ts',
    'every-room-has-a-floor': 'src/app.module.ts',
    'one-place-dials-out': 'src/gateway/dials.ts',
    'everything-resolves': 'src/gateway/lost.ts',
    'production-needs-no-development-package': 'src/gateway/develops.ts',
    'sources-import-no-tests': 'src/gateway/tests.ts',
    'migrations-stand-alone': 'migrations/first.ts',
  };

  let folder: string;
  let violations: readonly string[];

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'aegis-floors-'));
    for (const file of ['package.json', 'tsconfig.json', '.dependency-cruiser.mjs']) {
      cpSync(path.join(root, file), path.join(folder, file));
    }
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    for (const [file, text] of Object.entries(planted)) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), text);
    }
    violations = cruise(folder, 'src', 'migrations').summary.violations.map(
      ({ rule, from }) => `${rule.name}: ${from}`,
    );
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(Object.entries(expected))('is caught: %s', (rule, file) => {
    expect(violations).toContain(`${rule}: ${file}`);
  });

  it.each(['src/domain/framework.ts', 'src/domain/type-only.ts'])('is caught, even for a type alone: %s', (file) => {
    expect(violations).toContain(`domain-knows-no-framework: ${file}`);
  });

  it('is caught: no-cycles', () => {
    expect(violations.filter((violation) => violation.startsWith('no-cycles: src/router/'))).not.toEqual([]);
  });

  it('is caught: a file that nothing uses', () => {
    expect(violations.filter((violation) => violation.startsWith('nothing-lies-unused:'))).not.toEqual([]);
  });
});
