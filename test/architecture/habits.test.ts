import path from 'node:path';
import ts from 'typescript';
import { ERRORS } from '../../src/domain/errors.js';
import {
  type LockedPackage,
  listFiles,
  listRootFiles,
  lockedPackages,
  type Manifest,
  manifest,
  read,
  root,
} from './project.js';

const sources = listFiles(['src', 'migrations'], '.ts');
const tests = listFiles(['test'], '.test.ts');
const TEXT = /\.(md|ts|mjs|js|json|ya?ml|toml|sh|example)$|(^|\/)(Dockerfile|run|\.[a-z]+)$/;
const texts = [...listFiles(), ...listRootFiles()].filter((file) => TEXT.test(file));

/** Each line of the files that matches, as `file:line`. */
function grep(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
}

describe('the sources', () => {
  it('are there to be checked', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(tests.length).toBeGreaterThan(10);
  });

  it('have no barrels: an import names the file that has the thing', () => {
    expect(sources.filter((file) => path.basename(file) === 'index.ts')).toEqual([]);
  });

  it('keep each file to what one reader can hold', () => {
    const long = sources.map((file) => [file, read(file).split('\n').length - 1] as const);
    expect(long.filter(([, lines]) => lines > 350)).toEqual([]);
  });

  it('have a type for everything', () => {
    const untyped = sources.flatMap((file) => {
      const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
      const found: string[] = [];
      const visit = (node: ts.Node): void => {
        if (node.kind === ts.SyntaxKind.AnyKeyword) {
          found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`);
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
      return found;
    });
    expect(untyped).toEqual([]);
    expect(grep([...sources, ...listFiles(['test'], '.ts')], /@ts-(ignore|nocheck)/).filter(isNotThisFile)).toEqual([]);
  });

  it('leave nothing for later', () => {
    expect(grep(sources, /\b(TODO|FIXME|XXX|HACK)\b|not implemented/i)).toEqual([]);
  });
});

describe('the tests', () => {
  it('all run: none is singled out, skipped or left for later', () => {
    const pattern = /\b(describe|it|test)\.(only|skip|todo)\(|\.(only|skip)\.each|\b[xf](it|describe|test)\(/;
    expect(grep(tests, pattern).filter(isNotThisFile)).toEqual([]);
  });
});

describe('the error codes', () => {
  it('each have a heading in docs/errors.md', () => {
    const headings = read('docs/errors.md')
      .split('\n')
      .filter((line) => line.startsWith('#'));
    const missing = Object.keys(ERRORS).filter(
      (code) => !headings.some((heading) => new RegExp(`\\b${code}\\b`).test(heading)),
    );
    expect(missing).toEqual([]);
  });
});

describe('the client libraries that the end-to-end tests try', () => {
  const lock = JSON.parse(read('test/clients/package-lock.json')) as { packages: Record<string, LockedPackage> };
  const { '': wanted, ...locked } = lock.packages;

  it('are named to the patch, and locked as they are named', () => {
    const { dependencies } = JSON.parse(read('test/clients/package.json')) as Manifest;
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(wanted).toMatchObject({ dependencies });
  });

  it('come from wherever this machine gets its packages, and run nothing when they are installed', () => {
    expect(Object.keys(locked).length).toBeGreaterThan(50);
    const unwanted = Object.entries(locked).filter(
      ([, { resolved, hasInstallScript }]) => resolved || hasInstallScript,
    );
    expect(unwanted).toEqual([]);
    expect(read('test/clients/.npmrc')).toContain('ignore-scripts=true');
  });
});

describe('the packages', () => {
  const named = { ...manifest.dependencies, ...manifest.devDependencies };

  it('are named to the patch', () => {
    for (const version of Object.values(named)) expect(version).toMatch(/^\d+\.\d+\.\d+(-[a-z0-9.]+)?$/);
  });

  it('are installed from wherever this machine gets its packages', () => {
    const resolved = Object.entries(lockedPackages).filter(([, { resolved: address }]) => address !== undefined);
    expect(resolved).toEqual([]);
  });

  it('are locked for every kind of machine, not only for the one that wrote the lock file', () => {
    const locked = new Set(Object.keys(lockedPackages).map((place) => place.replace(/^.*node_modules\//, '')));
    const missing = Object.values(lockedPackages)
      .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
      .filter((name) => !locked.has(name));
    expect(missing).toEqual([]);
  });

  it('run nothing when they are installed for production, and nothing at all here', () => {
    const scripts = Object.entries(lockedPackages).filter(([, { dev, hasInstallScript }]) => !dev && hasInstallScript);
    expect(scripts.map(([name]) => name)).toEqual([]);
    expect(read('.npmrc')).toContain('ignore-scripts=true');
  });

  it('are each used, those for production by the sources', () => {
    const imported = (files: readonly string[]): Set<string> =>
      new Set(
        files.flatMap((file) =>
          [...read(file).matchAll(/(?:from|import|import\(|require\(|resolve\()\s*['"]([^'".][^'"]*)['"]/g)].map(
            ([, specifier = '']) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'),
          ),
        ),
      );
    const bySources = imported(sources);
    expect(Object.keys(manifest.dependencies).filter((name) => !bySources.has(name) && !PEERS.has(name))).toEqual([]);
    const byAny = new Set([...bySources, ...imported(listFiles(['test', 'scripts', 'examples']))]);
    const tools = [...listFiles(['scripts']), 'jest.config.mjs', 'package.json', 'tsconfig.json'].map(read).join('\n');
    const unused = Object.keys(manifest.devDependencies).filter(
      (name) => !byAny.has(name) && !tools.includes(`'${name}'`) && !TOOLS.has(name) && !name.startsWith('@types/'),
    );
    expect(unused).toEqual([]);
  });
});

/** Not imported by name: another package wants them beside it. */
const PEERS = new Set(['class-transformer', 'prom-client']);
/** Run by their programs' names. */
const TOOLS = new Set(['@biomejs/biome', 'dependency-cruiser', 'jest', 'pino-pretty']);

describe('the commands', () => {
  it('are the same with mise as with npm', () => {
    const tasks = [...read('mise.toml').matchAll(/^\[tasks\."?([^"\]]+)"?\]\nrun = "(.*)"$/gm)];
    expect(tasks.map(([, name]) => name).sort()).toEqual(Object.keys(manifest.scripts).sort());
    for (const [, name, command] of tasks) expect(command).toBe(`npm run ${name} --`);
  });

  it('exist wherever a text names one', () => {
    const builtIn = new Set(['audit', 'ci', 'install', 'i', 'run', 'sbom', 'view', 'exec']);
    const mentions = texts
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...read(file).matchAll(/(?:^|`|\$\()npm (run (?:--silent |-s )?)?([a-z][a-z0-9:-]*)/gm)].map(
          ([, run, name = '']) => ({
            file,
            name,
            isKnown: Object.hasOwn(manifest.scripts, name) || (run === undefined && builtIn.has(name)),
          }),
        ),
      );
    expect(mentions.length).toBeGreaterThan(5);
    expect(mentions.filter(({ isKnown }) => !isKnown)).toEqual([]);
  });
});

describe('the texts', () => {
  it('name no place of one machine', () => {
    expect(
      grep(texts.filter(isNotThisFile), /(^|[^A-Za-z0-9_.$}])\/(work|farm|root|home\/[a-z]+|Users\/[a-z]+)\//),
    ).toEqual([]);
  });

  it('link only to what is there', () => {
    const broken = texts
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
          .map(([, target = '']) => path.relative(root, path.resolve(root, path.dirname(file), target)))
          .filter((target) => !exists(target))
          .map((target) => `${file} → ${target}`),
      );
    expect(broken).toEqual([]);
  });
});

function exists(target: string): boolean {
  return (
    listRootFiles().includes(target) || listFiles().some((file) => file === target || file.startsWith(`${target}/`))
  );
}

function isNotThisFile(place: string): boolean {
  return !place.startsWith('test/architecture/habits.test.ts');
}
