import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type LockedPackage, listFiles, lockedPackages, manifest, read, root } from './project.js';

const run = promisify(execFile);

interface Outcome {
  readonly code: number;
  readonly output: string;
}

async function script(
  name: string,
  parameters: readonly string[],
  environment: Record<string, string> = {},
): Promise<Outcome> {
  const file = path.join(root, 'scripts', name);
  const options = { cwd: root, env: { ...process.env, ...environment }, maxBuffer: 64 * 1024 * 1024 };
  try {
    return { code: 0, output: (await run(process.execPath, [file, ...parameters], options)).stdout };
  } catch (thrown) {
    const { code, stdout, stderr } = thrown as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

describe('every dependency', () => {
  it('has its reason in docs/decisions', () => {
    const decisions = listFiles(['docs/decisions'], '.md').map(read).join('\n');
    const named = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.overrides });
    expect(named.length).toBeGreaterThan(40);
    expect(named.filter((name) => !decisions.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('the check of what comes from others', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'aegis-supply-'));
    for (const file of ['package.json', 'package-lock.json', '.npmrc'])
      cpSync(path.join(root, file), path.join(folder, file));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** The lock file with one package changed. */
  function plant(place: string, change: object): void {
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, object> };
    lock.packages[place] = { ...lock.packages[place], ...change };
    writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify(lock));
  }

  it('holds', async () => {
    const { code, output } = await script('check-supply.mjs', ['--offline']);
    expect({ code, bad: output.match(/BAD.*|^ {8}.*/gm) }).toEqual({ code: 0, bad: null });
    expect(output.match(/ {2}ok {2}/g)).toHaveLength(5);
  });

  it.each<[string, string, object, string]>([
    [
      'a licence that asks for more than a notice',
      'node_modules/pg',
      { license: 'GPL-3.0-only' },
      'under GPL-3.0-only',
    ],
    ['one of two such', 'node_modules/pg', { license: '(MIT AND AGPL-3.0)' }, 'under (MIT AND AGPL-3.0)'],
    ['no licence', 'node_modules/pg', { license: undefined }, 'names no licence'],
    ['a script', 'node_modules/pg', { hasInstallScript: true }, 'runs a script'],
    ['no hash', 'node_modules/pg', { integrity: undefined }, 'no SHA-512'],
    ['a weak hash', 'node_modules/pg', { integrity: 'sha1-aaaa' }, 'no SHA-512'],
    ['no hash, though only for development', 'node_modules/jest', { integrity: undefined }, 'no SHA-512'],
    [
      'a repository for a source',
      'node_modules/pg',
      { resolved: 'git+ssh://git@host/pg.git#1' },
      'not come from a registry',
    ],
    [
      'a plain address for a source',
      'node_modules/pg',
      { resolved: 'https://host/pg.tgz' },
      'not come from a registry',
    ],
    ['a folder for a source', 'node_modules/pg', { link: true, resolved: '../pg' }, 'is a link'],
    ['any version', '', { dependencies: { pg: '^8.0.0' } }, 'wanted as ^8.0.0'],
  ])('finds %s', async (_name, place, change, words) => {
    plant(place, change);
    const { code, output } = await script('check-supply.mjs', ['--offline', '--root', folder]);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining(words) });
  });

  it('finds a licence that the package itself gives otherwise', async () => {
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    plant('node_modules/typescript', { dev: true });
    plant('node_modules/@biomejs/biome', { dev: false, license: 'MIT' });
    expect((await script('check-supply.mjs', ['--offline', '--root', folder])).code).toBe(0);
    rmSync(path.join(folder, 'node_modules'));
    writeFileSync(path.join(folder, '.npmrc'), '');
    expect((await script('check-supply.mjs', ['--offline', '--root', folder])).output).toContain('ignore-scripts=true');
  });

  /** A registry of which only the advisories matter. */
  async function withRegistry(advisories: object | null, test: (url: string) => Promise<void>): Promise<void> {
    const server = createServer((request, response) => {
      const isAsked = request.url?.includes('/security/advisories/bulk') && advisories !== null;
      response.writeHead(isAsked ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(isAsked ? advisories : { error: 'not found' }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      await test(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
  const check = (registry: string) => script('check-supply.mjs', ['--root', folder], { npm_config_registry: registry });

  it('fails on a known vulnerability of what ships', async () => {
    const advisory = {
      id: 1,
      url: 'https://advisories/1',
      title: 'bad',
      severity: 'high',
      vulnerable_versions: '<99',
      cwe: [],
    };
    await withRegistry({ pg: [{ ...advisory, cvss: { score: 9, vectorString: null } }] }, async (registry) => {
      const { code, output } = await check(registry);
      expect({ code, output }).toEqual({
        code: 1,
        output: expect.stringMatching(/BAD no vulnerability is known\n(?: .*\n)* +pg: high/),
      });
    });
  });

  it('passes where none is known', async () => {
    await withRegistry({}, async (registry) => {
      const { code, output } = await check(registry);
      expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('ok  no vulnerability is known') });
    });
  });

  it('says plainly where nobody can be asked', async () => {
    await withRegistry(null, async (registry) => {
      const { code, output } = await check(registry);
      expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('no advisory service answers') });
    });
  });
});

describe('the bill of materials', () => {
  interface Component {
    readonly type: string;
    readonly 'bom-ref': string;
    readonly group?: string;
    readonly name: string;
    readonly version: string;
    readonly hashes: readonly { readonly alg: string; readonly content: string }[];
    readonly licenses: readonly object[];
    readonly purl: string;
  }
  interface Bom {
    readonly metadata: {
      readonly timestamp?: string;
      readonly component: { readonly 'bom-ref': string; readonly name: string };
    };
    readonly components: readonly Component[];
    readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  }
  let text: string;
  let bom: Bom;
  beforeAll(async () => {
    text = (await script('sbom.mjs', [])).output;
    bom = JSON.parse(text) as Bom;
  });

  it('is CycloneDX, as its specification has it', () => {
    expect(bom).toMatchObject({
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      serialNumber: expect.stringMatching(
        /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      ),
      metadata: { component: { type: 'application', name: 'aegis-gateway' } },
    });
    for (const component of bom.components) {
      expect(component).toMatchObject({
        type: 'library',
        'bom-ref': component.purl,
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        hashes: [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }],
        purl: expect.stringMatching(/^pkg:npm\/(%40[^/@]+\/)?[^/@]+@[^@]+$/),
      });
      expect(component.licenses).toHaveLength(1);
    }
  });

  it('lists every package that ships, and nothing else', () => {
    const shipped = Object.entries(lockedPackages as Readonly<Record<string, LockedPackage>>)
      .filter(([place, { dev }]) => place !== '' && !dev)
      .map(([place, { version }]) => `${place.replace(/^.*node_modules\//, '')}@${version}`);
    const listed = bom.components.map(
      ({ group, name, version }) => `${group === undefined ? '' : `${group}/`}${name}@${version}`,
    );
    expect(listed.sort()).toEqual([...new Set(shipped)].sort());
    expect(listed).toEqual(
      expect.arrayContaining([`pg@${manifest.dependencies.pg}`, `rxjs@${manifest.dependencies.rxjs}`]),
    );
  });

  it('says what each of them needs, and nothing is there that nobody needs', () => {
    const refs = new Set([
      bom.metadata.component['bom-ref'],
      ...bom.components.map((component) => component['bom-ref']),
    ]);
    expect(refs.size).toBe(bom.components.length + 1);
    expect(new Set(bom.dependencies.map(({ ref }) => ref))).toEqual(refs);
    const needs = new Map(bom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const reach = (ref: string): void => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const each of needs.get(ref) ?? []) reach(each);
    };
    reach(bom.metadata.component['bom-ref']);
    expect([...refs].filter((ref) => !reached.has(ref))).toEqual([]);
    expect([...reached].filter((ref) => !refs.has(ref))).toEqual([]);
  });

  it('is the same for the same lock file, and dated by SOURCE_DATE_EPOCH alone', async () => {
    expect((await script('sbom.mjs', [])).output).toBe(text);
    expect(bom.metadata.timestamp).toBeUndefined();
    const dated = JSON.parse((await script('sbom.mjs', [], { SOURCE_DATE_EPOCH: '1700000000' })).output) as Bom;
    expect(dated.metadata.timestamp).toBe('2023-11-14T22:13:20.000Z');
  });
});
