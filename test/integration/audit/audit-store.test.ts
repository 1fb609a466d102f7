import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { AuditPurger } from '../../../src/audit/audit.purger.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { AuditChain } from '../../../src/audit/audit-chain.js';
import { type AuditEvent, parseRecord, type StoredRecord, toCanonicalJson } from '../../../src/audit/audit-record.js';
import { exportAudit } from '../../../src/audit/export/audit.exporter.js';
import { findEvents, proveInclusion } from '../../../src/audit/export/audit.prover.js';
import { type SigningKey, trustKeys } from '../../../src/audit/signing-key.js';
import { verifyDatabase } from '../../../src/audit/verify/database.verification.js';
import { verifyExport } from '../../../src/audit/verify/export.verification.js';
import type { Verification } from '../../../src/audit/verify/verification.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { makeDecision, makeSigningKey } from '../../support/audit-chains.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const EVER = { from: null, to: null };
const key = makeSigningKey();
const keys = trustKeys([key.publicPem]);
const run = promisify(execFile);

/** A chain whose records lie at moments of their own. */
class TimedChain {
  readonly records: StoredRecord[] = [];
  readonly writer = randomUUID();
  private readonly chain: AuditChain;

  constructor(
    private atMs: number,
    signer: SigningKey = key,
  ) {
    this.chain = new AuditChain(this.writer, signer);
    this.event({ type: 'chain.opened', reason: 'started', host: 'host', config: 'abc' });
  }

  event(event: AuditEvent = makeDecision()): this {
    return this.add(this.chain.draft(event, this.now()));
  }

  events(count: number): this {
    for (let index = 0; index < count; index++) this.event();
    return this;
  }

  seal(): this {
    return this.add(this.chain.draftCheckpoint('interval', this.now()));
  }

  close(): this {
    return this.add(this.chain.draftClosing(this.now()));
  }

  after(ms: number): this {
    this.atMs += ms;
    return this;
  }

  private now(): string {
    return new Date(this.atMs).toISOString();
  }

  private add(record: StoredRecord): this {
    this.chain.commit(record);
    this.records.push(record);
    return this;
  }
}

describe('audit records in PostgreSQL', () => {
  let database: TestDatabase;
  let service: DatabaseService;
  let store: AuditStore;
  let folder: string;

  beforeEach(async () => {
    database = await createDatabase();
    service = new DatabaseService(buildDatabaseSettings({ url: database.url }));
    await service.onModuleInit();
    store = new AuditStore(service);
    folder = mkdtempSync(path.join(tmpdir(), 'aegis-audit-'));
  });
  afterEach(async () => {
    await service.onApplicationShutdown();
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  const verify = (nowMs = Date.now()): Promise<Verification> => verifyDatabase(store, EVER, keys, nowMs);

  async function exported(from: Date | null = null, to: Date | null = null): Promise<string> {
    let text = '';
    for await (const piece of exportAudit(store, { from, to }, key, new Date())) text += piece;
    return text;
  }

  const verifyText = (text: string) => verifyExport(Readable.from([Buffer.from(text)]), keys, Date.now());

  /** Past the guard, as somebody with all rights would. */
  async function tamper(statement: string, values: unknown[] = []): Promise<void> {
    await database.query('ALTER TABLE audit_record DISABLE TRIGGER keep_audit');
    await database.query(statement, values);
    await database.query('ALTER TABLE audit_record ENABLE TRIGGER keep_audit');
  }

  it('are taken once, however often and in whatever pieces they come', async () => {
    const { records } = new TimedChain(Date.now()).events(20).close();
    const fresh = await Promise.all([
      store.insert(records.slice(0, 15)),
      store.insert(records.slice(5)),
      store.insert(records),
    ]);
    expect(fresh.reduce((sum, count) => sum + count, 0)).toBe(records.length);
    expect(await verify()).toMatchObject({ problems: [], records: 22, chains: 1 });
  });

  it('can be neither changed nor removed by a statement', async () => {
    await store.insert(new TimedChain(Date.now()).close().records);
    for (const statement of [
      'UPDATE audit_record SET type = type',
      'DELETE FROM audit_record',
      'TRUNCATE audit_record',
    ]) {
      await expect(database.query(statement)).rejects.toThrow('audit records are not changed');
    }
  });

  it('are found out where somebody changes, removes, adds or moves one all the same', async () => {
    const chain = new TimedChain(Date.now()).events(5).seal().events(5).close();
    await store.insert(chain.records);
    const place = (seq: number): string => `${chain.writer}:${seq}`;
    const attempts: [string, unknown[], string, string][] = [
      [
        'UPDATE audit_record SET record = replace(record, \'"acme"\', \'"evil"\') WHERE seq = 4',
        [],
        'altered',
        place(4),
      ],
      ['DELETE FROM audit_record WHERE seq = 4', [], 'missing', place(4)],
      ['DELETE FROM audit_record WHERE seq = 7', [], 'missing', place(7)],
      ['UPDATE audit_record SET seq = 60 WHERE seq = 4', [], 'reordered', place(4)],
    ];
    for (const [statement, values, fault, record] of attempts) {
      await tamper(statement, values);
      expect((await verify()).problems[0]).toMatchObject({ fault, record });
      await tamper('DELETE FROM audit_record');
      await store.insert(chain.records);
      expect((await verify()).problems).toEqual([]);
    }
    const forged = parseRecord(toCanonicalJson({ ...(chain.records[3]?.record as object), organization: 'evil' }));
    if (!forged) throw new Error('no record');
    await store.insert([forged]);
    expect((await verify()).problems[0]).toMatchObject({ fault: 'forked', record: place(4) });
  });

  it('are found out where their end is removed and a closing was there, or records grow old without a seal', async () => {
    const chain = new TimedChain(Date.now() - HOUR_MS).events(5).seal().events(5);
    await store.insert(chain.records);
    expect((await verify()).problems[0]).toMatchObject({ fault: 'unsealed', record: `${chain.writer}:8` });
  });

  it('are exported with what is sealed, and verify offline', async () => {
    const open = new TimedChain(Date.now()).events(3).seal().events(2);
    await store.insert([...open.records, ...new TimedChain(Date.now()).events(2_500).close().records]);
    const text = await exported();
    expect(await verifyText(text)).toMatchObject({
      problems: [],
      chains: 2,
      records: 5 + 2_502,
      isManifestSigned: true,
    });
    expect(text.split('\n')).toHaveLength(5 + 2_502 + 3);
  });

  it('are exported and verified by the days they belong to, with what other chains tell of them', async () => {
    const start = Date.parse('2027-01-01T00:00:00.000Z');
    const chain = new TimedChain(start);
    for (let day = 0; day < 10; day++) chain.events(4).seal().after(DAY_MS);
    const torn = chain.records.filter(({ record }) => record.seq !== 23);
    const teller = new TimedChain(start + 30 * DAY_MS);
    const chained_to = chain.records[21]?.hash ?? '';
    teller.event({ type: 'chain.gap', reason: 'damaged', of: chain.writer, first: 23, last: 23, chained_to }).close();
    await store.insert([...torn, ...teller.records]);
    const [from, to] = [new Date('2027-01-04T00:00:00Z'), new Date('2027-01-06T00:00:00Z')];
    expect(await verifyDatabase(store, { from, to }, keys, Date.now())).toMatchObject({ problems: [], chains: 2 });
    const text = await exported(from, to);
    const verified = await verifyText(text);
    expect(verified).toMatchObject({ problems: [], chains: 2 });
    expect(verified.records).toBeLessThan(chain.records.length);
    expect(text).toContain('"at":"2027-01-04');
    expect(text).toContain('"at":"2027-01-05');
    expect(text).not.toContain('"at":"2027-01-02');
    expect(text).not.toContain('"at":"2027-01-08');
  });

  it('are proven one by one, to a script that knows nothing of AEGIS', async () => {
    const chain = new TimedChain(Date.now()).events(37).close();
    await store.insert(chain.records);
    const script = path.join(process.cwd(), 'examples', 'verify-audit-proof.mjs');
    const [proofFile, keyFile, otherKeyFile] = ['proof.json', 'key.pem', 'other.pem'].map((name) =>
      path.join(folder, name),
    );
    if (!proofFile || !keyFile || !otherKeyFile) throw new Error('no files');
    writeFileSync(keyFile, key.publicPem);
    writeFileSync(otherKeyFile, makeSigningKey().publicPem);
    for (const seq of [1, 2, 17, 37, 38]) {
      const [event] = await findEvents(store, `${chain.writer}:${seq}`);
      const proof = event && (await proveInclusion(store, event));
      if (!proof) throw new Error(`no proof of ${seq}`);
      writeFileSync(proofFile, JSON.stringify(proof));
      const { stdout } = await run(process.execPath, [script, proofFile, keyFile]);
      expect(stdout).toBe(`Proven: ${event.line}\n`);
      await expect(run(process.execPath, [script, proofFile, otherKeyFile])).rejects.toMatchObject({ code: 1 });
      const lies = [
        { ...proof, record: proof.record.replace(/"at":"20/, '"at":"21') },
        { ...proof, index: proof.index ^ 1 },
        { ...proof, path: proof.path.slice(1) },
        { ...proof, path: [...proof.path, '00'.repeat(32)] },
        { ...proof, seal: proof.seal.replace(/"count":38/, '"count":39') },
      ];
      for (const lie of lies) {
        writeFileSync(proofFile, JSON.stringify(lie));
        await expect(run(process.execPath, [script, proofFile, keyFile])).rejects.toMatchObject({ code: 1 });
      }
    }
    expect(readFileSync(script, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(30);
    const decided = chain.records[5]?.record;
    if (decided?.type !== 'request.decided') throw new Error('no decision');
    expect((await findEvents(store, decided.request_id ?? '')).map(({ hash }) => hash)).toEqual([
      chain.records[5]?.hash,
    ]);
  });

  it('are removed when they are old, and the rest stays provable', async () => {
    const start = Date.now() - 10 * DAY_MS;
    const long = new TimedChain(start);
    for (let day = 0; day < 10; day++) long.events(4).seal().after(DAY_MS);
    const old = new TimedChain(start).events(3).close();
    const quiet = new TimedChain(start)
      .events(3)
      .seal()
      .after(9 * DAY_MS + HOUR_MS)
      .events(2)
      .close();
    await store.insert([...long.records, ...old.records, ...quiet.records]);
    const threeDaysAgo = () => new Date(Date.now() - 3 * DAY_MS);
    const purger = new AuditPurger(store, key, 'version', keys, threeDaysAgo);
    expect(await purger.purge(new Date(Date.now() - 5.5 * DAY_MS))).toEqual({ removed: 26 + 5 + 5, chains: 3 });
    expect((await verify()).problems).toEqual([]);
    expect((await verifyText(await exported())).problems).toEqual([]);
    expect(await database.query('SELECT 1 FROM audit_record WHERE writer = $1', [old.writer])).toEqual([]);
    // Nothing is old enough any more.
    expect(await purger.purge(new Date(Date.now() - 5.5 * DAY_MS))).toEqual({ removed: 0, chains: 0 });
    // What told of the first purge goes with the next one, which tells of it all anew.
    expect((await purger.purge(new Date(Date.now() - 2.5 * DAY_MS))).removed).toBeGreaterThan(0);
    const after = await verify();
    expect(after.problems).toEqual([]);
    expect(after.notes.length).toBeGreaterThan(0);
    // Who removes more than was said is found out.
    const [{ seq } = { seq: '0' }] = await database.query<{ seq: string }>(
      'SELECT min(seq) AS seq FROM audit_record WHERE writer = $1',
      [long.writer],
    );
    await tamper('DELETE FROM audit_record WHERE writer = $1 AND seq = $2', [long.writer, seq]);
    expect((await verify()).problems[0]).toMatchObject({
      fault: 'missing',
      record: `${long.writer}:${Number(seq) + 1}`,
    });
  });

  it('are not removed where only a column says that they are old', async () => {
    const chain = new TimedChain(Date.now()).events(5).close();
    await store.insert(chain.records);
    await tamper("UPDATE audit_record SET at = at - interval '10 years'");
    const purger = new AuditPurger(store, key, 'version', keys);
    expect(await purger.purge(new Date(Date.now() - DAY_MS))).toEqual({ removed: 0, chains: 0 });
    const seal = chain.records.at(-1);
    const older = toCanonicalJson({ ...seal?.record, at: '2016-01-01T00:00:00.000Z' });
    await tamper('UPDATE audit_record SET record = $1 WHERE seq = $2', [older, seal?.record.seq]);
    expect(await purger.purge(new Date(Date.now() - DAY_MS))).toEqual({ removed: 0, chains: 0 });
  });

  it('are not signed for by a purge where somebody else removed them', async () => {
    const robbed = new TimedChain(Date.now() - 2 * DAY_MS).events(5).seal().after(DAY_MS).events(3).seal();
    const old = new TimedChain(Date.now() - 10 * DAY_MS).events(3).close();
    await store.insert([...robbed.records, ...old.records]);
    await tamper('DELETE FROM audit_record WHERE writer = $1 AND seq <= 7', [robbed.writer]);
    const purger = new AuditPurger(store, key, 'version', keys);
    expect(await purger.purge(new Date(Date.now() - 5 * DAY_MS))).toEqual({ removed: 5, chains: 1 });
    expect((await verify()).problems[0]).toMatchObject({ fault: 'missing', record: `${robbed.writer}:8` });
    // Nor by one that is told so by a record that nobody has signed.
    const thief = new TimedChain(Date.now() - 3 * DAY_MS, makeSigningKey());
    const last_hash = robbed.records[6]?.hash ?? '';
    const before = new Date().toISOString();
    thief.event({ type: 'chain.purged', reason: 'retention', of: robbed.writer, last: 7, last_hash, before }).close();
    const older = new TimedChain(Date.now() - 9 * DAY_MS).events(3).close();
    await store.insert([...thief.records, ...older.records]);
    expect(await purger.purge(new Date(Date.now() - 5 * DAY_MS))).toEqual({ removed: 5, chains: 1 });
    await tamper('DELETE FROM audit_record WHERE writer = $1', [thief.writer]);
    expect((await verify()).problems[0]).toMatchObject({ fault: 'missing', record: `${robbed.writer}:8` });
  });

  it('verify while a purge removes some of them', async () => {
    const chain = new TimedChain(Date.now() - 10 * DAY_MS);
    chain
      .events(5_000)
      .seal()
      .after(9.5 * DAY_MS)
      .events(3)
      .close();
    await store.insert(chain.records);
    const purger = new AuditPurger(store, key, 'version', keys);
    const result = await store.atOneMoment(async (moment) => {
      await moment.listChains();
      expect((await purger.purge(new Date(Date.now() - DAY_MS))).removed).toBeGreaterThan(5_000);
      moment.atOneMoment = (work) => work(moment);
      return verifyDatabase(moment, EVER, keys, Date.now());
    });
    expect(result).toMatchObject({ problems: [], records: chain.records.length });
    expect(await verify()).toMatchObject({ problems: [] });
  });

  it('are exported as they were at one moment, while a purge removes some of them', async () => {
    const chain = new TimedChain(Date.now() - 10 * DAY_MS)
      .events(5_000)
      .seal()
      .after(9.5 * DAY_MS)
      .events(3)
      .close();
    await store.insert(chain.records);
    const purger = new AuditPurger(store, key, 'version', keys);
    const lines: string[] = [];
    await store.atOneMoment(async (moment) => {
      for await (const line of exportAudit(moment, EVER, key, new Date())) {
        if (lines.push(line) === 1) await purger.purge(new Date(Date.now() - DAY_MS));
      }
    });
    expect(await verifyText(lines.join(''))).toMatchObject({ problems: [], records: chain.records.length });
  });

  it('stay provable where a purge died halfway', async () => {
    const chain = new TimedChain(Date.now() - 10 * DAY_MS)
      .events(30)
      .seal()
      .after(9 * DAY_MS)
      .events(3)
      .close();
    await store.insert(chain.records);
    const remove = store.remove.bind(store);
    store.remove = async (writer) => {
      await remove(writer, 10, 1_000);
      throw new Error('died');
    };
    const purger = new AuditPurger(store, key, 'version', keys);
    const before = new Date(Date.now() - 5 * DAY_MS);
    await expect(purger.purge(before)).rejects.toThrow('died');
    expect((await verify()).problems).toEqual([]);
    store.remove = remove;
    expect((await purger.purge(before)).removed).toBe(22);
    expect((await verify()).problems).toEqual([]);
  });

  it('sealed under a key before this one verify as long as it is trusted', async () => {
    const former = makeSigningKey();
    const chain = new TimedChain(Date.now(), former).events(3).close();
    await store.insert([...chain.records, ...new TimedChain(Date.now()).events(3).close().records]);
    expect((await verify()).problems[0]).toMatchObject({ fault: 're-signed', record: `${chain.writer}:5` });
    const both = trustKeys([key.publicPem, former.publicPem]);
    expect((await verifyDatabase(store, EVER, both, Date.now())).problems).toEqual([]);
  });
});
