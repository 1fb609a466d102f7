import { execFile } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { type StoredRecord, toCanonicalJson } from '../../../src/audit/audit-record.js';
import { readSigningKey, type SigningKey } from '../../../src/audit/signing-key.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { ChainBuilder } from '../../support/audit-chains.js';
import { createDatabase, makeReachableFolder, type TestDatabase } from '../../support/postgres.js';

const run = promisify(execFile);
const root = process.cwd();

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('aegis audit', () => {
  let database: TestDatabase;
  let service: DatabaseService;
  let folder: string;
  let key: SigningKey;
  let chain: ChainBuilder;
  const file = (name: string): string => path.join(folder, name);

  beforeAll(async () => {
    database = await createDatabase();
    folder = makeReachableFolder();
    service = new DatabaseService(buildDatabaseSettings({ url: database.url }));
    await service.onModuleInit();
    expect(await aegis('keygen', '--output', file('key.pem'))).toMatchObject({ code: 0 });
    key = readSigningKey(readFileSync(file('key.pem'), 'utf8'));
    chain = new ChainBuilder(key).events(20).seal().events(5).close();
    await new AuditStore(service).insert(chain.records);
  });
  afterAll(async () => {
    await service.onApplicationShutdown();
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function aegis(...parameters: string[]): Promise<Outcome> {
    const env = {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: database.url,
      AEGIS_KEY_PEPPER: 'a pepper for the tests of the audit alone',
      AEGIS_AUDIT_KEY_FILE: file('key.pem'),
      AEGIS_DATA_DIR: folder,
    };
    const command = [path.join(root, 'dist', 'src', 'cli', 'main.js'), 'audit', ...parameters];
    try {
      return { code: 0, ...(await run(process.execPath, command, { env, cwd: root, maxBuffer: 2 ** 26 })) };
    } catch (error) {
      const { code, stdout, stderr } = error as Outcome;
      return { code, stdout, stderr };
    }
  }

  it('makes a key for gateways alone, says its public one, and overwrites none', async () => {
    expect(statSync(file('key.pem')).mode & 0o777).toBe(0o600);
    expect(await aegis('public-key')).toMatchObject({ code: 0, stdout: readFileSync(file('key.pem.pub'), 'utf8') });
    const again = await aegis('keygen', '--output', file('key.pem'));
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('EEXIST') as unknown });
    expect(await aegis('keygen', '--if-missing', '--output', file('key.pem'))).toMatchObject({ code: 0, stdout: '' });
    expect(readSigningKey(readFileSync(file('key.pem'), 'utf8')).id).toBe(key.id);
    expect(await aegis('keygen')).toMatchObject({ code: 2 });
  });

  it('verifies the database, and an export with the public key alone', async () => {
    expect(await aegis('verify')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('The audit is whole.') as unknown,
    });
    expect(await aegis('export', '--output', file('export.jsonl'))).toMatchObject({ code: 0, stderr: '' });
    expect((await aegis('export')).stdout.split('\n')).toHaveLength(chain.records.length + 3);
    const offline = await aegis('verify', file('export.jsonl'), '--public-key', file('key.pem.pub'), '--json');
    expect(offline).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(offline.stdout)).toMatchObject({ valid: true, first: null, records: 28, isManifestSigned: true });
  });

  it('names the first bad record, and ends with 2', async () => {
    const lines = readFileSync(file('export.jsonl'), 'utf8').split('\n');
    writeFileSync(file('bad.jsonl'), lines.toSpliced(7, 1).join('\n'));
    const missing = await aegis('verify', file('bad.jsonl'));
    expect(missing.code).toBe(2);
    expect(missing.stdout).toContain(`First bad record: ${chain.writer}:7, missing.`);
    const stranger = await aegis('verify', file('export.jsonl'), '--public-key', await otherPublicKey());
    expect(stranger).toMatchObject({ code: 2, stdout: expect.stringContaining('re-signed') as unknown });
    expect(await aegis('verify', file('nowhere.jsonl'))).toMatchObject({ code: 1, stdout: '' });
    expect(await aegis('verify', file('export.jsonl'), '--public-key', file('key.pem'))).toMatchObject({ code: 2 });
    expect(await aegis('verify', file('export.jsonl'), '--from', '2027-01-01')).toMatchObject({ code: 2 });
  });

  it('does not call an export whole that could lack anything', async () => {
    const lines = readFileSync(file('export.jsonl'), 'utf8').trimEnd().split('\n');
    const manifest = JSON.parse(lines.at(-1) ?? '') as object;
    const stripped = toCanonicalJson({ ...manifest, key: null, signature: null });
    writeFileSync(file('stripped.jsonl'), `${lines.with(-1, stripped).join('\n')}\n`);
    const verify = (...more: string[]) => aegis('verify', file('stripped.jsonl'), ...more);
    const unproven = await verify();
    expect(unproven).toMatchObject({ code: 1, stderr: expect.stringContaining('not signed') as unknown });
    expect(unproven.stdout).not.toContain('whole');
    expect(await verify('--accept-unsigned')).toMatchObject({ code: 0 });
  });

  async function otherPublicKey(): Promise<string> {
    await aegis('keygen', '--output', file('other.pem'));
    return file('other.pem.pub');
  }

  it('proves an event by its place or its request, and says why it cannot', async () => {
    const proof = await aegis('prove', `${chain.writer}:5`);
    writeFileSync(file('proof.json'), proof.stdout);
    const script = path.join(root, 'examples', 'verify-audit-proof.mjs');
    const { stdout } = await run(process.execPath, [script, file('proof.json'), file('key.pem.pub')]);
    expect(stdout).toContain(`"writer":"${chain.writer}"`);
    const { record } = chain.records[4] as StoredRecord;
    const requestId = record.type === 'request.decided' ? (record.request_id ?? '') : '';
    expect((await aegis('prove', requestId)).stdout).toBe(proof.stdout);
    expect(await aegis('prove', 'nothing')).toMatchObject({ code: 2, stdout: '' });
    expect(await aegis('prove', `${chain.writer}:22`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it is signed itself') as unknown,
    });
  });

  it('removes what is old, and what is left verifies', async () => {
    expect(await aegis('purge')).toMatchObject({ code: 2, stderr: expect.stringContaining('--before') as unknown });
    const early = await aegis('purge', '--before', '2026-01-01', '--json');
    expect(JSON.parse(early.stdout)).toEqual({ removed: 0, chains: 0 });
    const purge = await aegis('purge', '--before', '2026-11-01', '--json');
    expect(JSON.parse(purge.stdout)).toEqual({ removed: chain.records.length, chains: 1 });
    expect(await aegis('verify')).toMatchObject({ code: 0 });
    expect(await aegis('prove', `${chain.writer}:5`)).toMatchObject({ code: 2 });
  });
});
