import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AuditJournal } from '../../../src/audit/audit.journal.js';
import { AuditShipper } from '../../../src/audit/audit.shipper.js';
import { AuditWriter } from '../../../src/audit/audit.writer.js';
import { type StoredRecord, sealOf } from '../../../src/audit/audit-record.js';
import { systemClock } from '../../../src/domain/clock.js';
import { makeDecision, makeSigningKey, verifyLines } from '../../support/audit-chains.js';

const MEBIBYTE = 1024 * 1024;
const key = makeSigningKey();
const log = { log: () => undefined, warn: () => undefined, error: () => undefined };

/** What PostgreSQL has, in memory: each record once. */
class MemoryStore {
  readonly rows = new Map<string, StoredRecord>();
  readonly refused = new Set<number>();

  async insert(records: readonly StoredRecord[]): Promise<number> {
    if (records.some(({ record }) => this.refused.has(record.seq))) {
      throw Object.assign(new Error('bad row'), { code: '22P05' });
    }
    const before = this.rows.size;
    for (const stored of records) this.rows.set(stored.hash, stored);
    return this.rows.size - before;
  }

  /** As PostgreSQL gives them: chain by chain, in order. */
  get lines(): string[] {
    return this.chains.flatMap((chain) => chain.map(({ line }) => line));
  }

  get chains(): StoredRecord[][] {
    const chains = new Map<string, StoredRecord[]>();
    for (const stored of this.rows.values()) {
      chains.set(stored.record.writer, [...(chains.get(stored.record.writer) ?? []), stored]);
    }
    return [...chains.values()].map((chain) => chain.sort((one, other) => one.record.seq - other.record.seq));
  }

  get types(): string[] {
    return this.chains.flatMap((chain) => chain.map(({ record }) => `${record.type} ${record.reason}`));
  }
}

describe('the writer of the audit', () => {
  let directory: string;
  let store: MemoryStore;
  const opened = new Set<AuditWriter>();
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'aegis-audit-'));
    store = new MemoryStore();
  });
  afterEach(() => {
    for (const writer of opened) writer.journal.close();
    opened.clear();
    rmSync(directory, { recursive: true, force: true });
  });

  async function openWriter({ maxBytes = 64 * MEBIBYTE, checkpointEvents = 1_000 } = {}): Promise<AuditWriter> {
    const settings = { directory, maxBytes, syncIntervalMs: 50 };
    const journal = new AuditJournal(settings, { records: 0, failures: 0 }, log);
    const writer = new AuditWriter(
      journal,
      key,
      { checkpointEvents, checkpointIntervalMs: 3_600_000 },
      systemClock,
      log,
      () => 'version',
    );
    await writer.open();
    opened.add(writer);
    return writer;
  }

  async function shipAll(writer: AuditWriter): Promise<void> {
    const shipper = new AuditShipper(writer.journal, store, writer, log);
    shipper.start();
    await shipper.stop(10_000);
  }

  async function finish(writer: AuditWriter): Promise<void> {
    writer.close();
    await shipAll(writer);
    writer.journal.close();
    opened.delete(writer);
  }

  /** As a process that was killed leaves it. */
  async function leaveBehind(fill: (writer: AuditWriter) => void | Promise<void>, settings = {}): Promise<string> {
    const writer = await openWriter(settings);
    await fill(writer);
    const folder = writer.journal.folderPath;
    const kept = readdirSync(folder)
      .filter((name) => name.endsWith('.segment'))
      .map((name) => [name, readFileSync(path.join(folder, name))] as const);
    writer.journal.close();
    opened.delete(writer);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const [name, bytes] of kept) writeFileSync(path.join(folder, name), bytes);
    return folder;
  }

  const segmentsIn = (folder: string): string[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.segment'))
      .sort()
      .map((name) => path.join(folder, name));

  const fill = (writer: AuditWriter, count: number): void => {
    for (let index = 0; index < count; index++) writer.record(makeDecision());
  };

  it('opens a chain, seals it every so many events, and closes it', async () => {
    const writer = await openWriter({ checkpointEvents: 3 });
    fill(writer, 7);
    await finish(writer);
    expect(store.types).toEqual([
      'chain.opened started',
      ...Array(2).fill('request.decided permitted'),
      'chain.checkpoint count',
      ...Array(3).fill('request.decided permitted'),
      'chain.checkpoint count',
      ...Array(2).fill('request.decided permitted'),
      'chain.closed shutdown',
    ]);
    expect(verifyLines(store.lines, key, { allSealed: true }).problems).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is sealed by its heir where it was killed', async () => {
    await leaveBehind((writer) => fill(writer, 5), { checkpointEvents: 4 });
    const heir = await openWriter();
    await finish(heir);
    expect(store.types).toContain('chain.closed died');
    const verified = verifyLines(store.lines, key, { allSealed: true });
    expect(verified).toMatchObject({ problems: [], chains: 2 });
    expect(
      verifyLines(
        store.lines.filter((line) => !line.includes('"seq":7')),
        key,
      ).problems[0]?.fault,
    ).toBe('truncated');
  });

  it('is sealed by its heir where most of it was shipped and removed before', async () => {
    await leaveBehind(async (writer) => {
      fill(writer, 5);
      writer.journal.seal();
      await shipAll(writer);
      fill(writer, 3);
    });
    expect(store.rows.size).toBe(6);
    await finish(await openWriter());
    const verified = verifyLines(store.lines, key, { allSealed: true });
    expect(verified).toMatchObject({ problems: [], chains: 2, records: 9 + 3 });
    // All since the seal before it, so that each of them can be proven.
    const seals = [...store.rows.values()].map(({ record }) => sealOf(record));
    expect(seals).toContainEqual(
      expect.objectContaining({ of: store.chains[0]?.[0]?.record.writer, first: 1, last: 9, count: 9 }),
    );
  });

  it('is sealed by the heir of its heir', async () => {
    await leaveBehind((writer) => fill(writer, 2));
    await leaveBehind((writer) => fill(writer, 2));
    await finish(await openWriter());
    expect(verifyLines(store.lines, key, { allSealed: true })).toMatchObject({ problems: [], chains: 3 });
  });

  it('survives a record that was torn in the middle', async () => {
    const folder = await leaveBehind((writer) => fill(writer, 4));
    const [segment = ''] = segmentsIn(folder);
    appendFileSync(segment, readFileSync(segment).subarray(0, 100));
    await finish(await openWriter());
    expect(verifyLines(store.lines, key, { allSealed: true }).problems).toEqual([]);
  });

  it('tells of records that were damaged on the disk, and goes on', async () => {
    const writer = await openWriter();
    fill(writer, 6);
    const [segment = ''] = segmentsIn(writer.journal.folderPath);
    const bytes = readFileSync(segment);
    const at = bytes.indexOf('"seq":4');
    bytes[at + 1] = 0x20;
    writeFileSync(segment, bytes);
    await shipAll(writer);
    fill(writer, 2);
    await finish(writer);
    expect(store.types).toContain('chain.gap damaged');
    const verified = verifyLines(store.lines, key, { allSealed: true });
    expect(verified.problems).toEqual([]);
    expect(verified.notes).toEqual([expect.stringContaining('records 4 to 4 are missing, and accounted for')]);
  });

  it('tells of records that PostgreSQL refuses, and goes on', async () => {
    const writer = await openWriter();
    store.refused.add(3);
    fill(writer, 6);
    await shipAll(writer);
    store.refused.clear();
    await finish(writer);
    expect(store.types).toContain('chain.gap refused');
    expect(verifyLines(store.lines, key, { allSealed: true }).problems).toEqual([]);
    expect(readFileSync(path.join(directory, 'refused.jsonl'), 'utf8')).toContain('"seq":3');
  });

  it('tells of events that it could not write, once it can', async () => {
    const writer = await openWriter({ maxBytes: MEBIBYTE });
    while (writer.isWritable) writer.record(makeDecision());
    for (let index = 0; index < 12; index++) writer.lose();
    expect(writer).toMatchObject({ lost: 12, problem: expect.stringContaining('bytes') as unknown });
    await shipAll(writer);
    fill(writer, 1);
    await finish(writer);
    const gaps = [...store.rows.values()].filter(({ record }) => record.type === 'chain.gap');
    expect(gaps.map(({ record }) => record)).toEqual([expect.objectContaining({ reason: 'not_written', count: 12 })]);
    expect(verifyLines(store.lines, key, { allSealed: true }).problems).toEqual([]);
  });

  it('goes on where another process took its folder, as of the dead', async () => {
    let nowMs = 0;
    const settings = { directory, maxBytes: 64 * MEBIBYTE, syncIntervalMs: 50 };
    const journal = new AuditJournal(settings, { records: 0, failures: 0 }, log, () => nowMs);
    const options = { checkpointEvents: 1_000, checkpointIntervalMs: 3_600_000 };
    const stopped = new AuditWriter(journal, key, options, systemClock, log, () => 'version');
    await stopped.open();
    opened.add(stopped);
    fill(stopped, 3);
    rmSync(path.join(journal.folderPath, 'owner.json'));
    const heir = await openWriter();
    nowMs = 60_000;
    fill(stopped, 3);
    await finish(heir);
    await finish(stopped);
    expect(store.types).toContain('chain.closed died');
    expect(verifyLines(store.lines, key, { allSealed: true })).toMatchObject({ problems: [], chains: 2 });
  });
});
