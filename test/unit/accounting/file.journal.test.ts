import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UsageFileJournal } from '../../../src/accounting/journal/usage.journal.js';
import { LedgerShipper, type LedgerStore } from '../../../src/accounting/ledger/ledger.shipper.js';
import type { UsageRecord } from '../../../src/domain/accounting.js';
import { type GatewayObserver, silentObserver } from '../../../src/domain/observer.js';
import { InstanceFolder, LEASE_MS } from '../../../src/journal/instance-folder.js';
import { makeBeginning, makeUsageRecord } from '../../support/usage-records.js';

const MEBIBYTE = 1024 * 1024;
const log = { log: () => undefined, warn: () => undefined, error: () => undefined };

/** A ledger in memory that takes each id once, and nothing while it is away. */
class MemoryLedger implements LedgerStore {
  readonly rows = new Map<string, UsageRecord>();
  isAvailable = true;
  largestBatch = 0;
  batches = 0;
  takesMs = 0;
  /** So many batches are taken, and their answers lost. */
  losesAnswers = 0;
  /** Ids that it finds something wrong with. */
  readonly refused = new Set<string>();

  async insert(records: readonly UsageRecord[]): Promise<number> {
    if (!this.isAvailable) throw new Error('away');
    if (records.some(({ id }) => this.refused.has(id))) throw Object.assign(new Error('bad row'), { code: '22P05' });
    this.batches += 1;
    if (this.takesMs > 0) await new Promise((resolve) => setTimeout(resolve, this.takesMs));
    this.largestBatch = Math.max(this.largestBatch, records.length);
    const before = this.rows.size;
    for (const record of records) if (!this.rows.has(record.id)) this.rows.set(record.id, record);
    if (this.losesAnswers > 0) {
      this.losesAnswers -= 1;
      throw new Error('the connection is gone');
    }
    return this.rows.size - before;
  }
}

describe('the journal on disk', () => {
  let directory: string;
  const opened = new Set<UsageFileJournal>();
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'aegis-journal-'));
  });
  afterEach(() => {
    for (const journal of opened) journal.close();
    opened.clear();
    rmSync(directory, { recursive: true, force: true });
  });

  async function openJournal(
    maxBytes = 64 * MEBIBYTE,
    observer: GatewayObserver = silentObserver,
  ): Promise<UsageFileJournal> {
    const journal = new UsageFileJournal({ directory, maxBytes, syncIntervalMs: 50 }, observer, log);
    await journal.open();
    opened.add(journal);
    return journal;
  }

  /** What the ledger has once everything that can be shipped is. */
  async function shipAll(journal: UsageFileJournal, ledger = new MemoryLedger()): Promise<MemoryLedger> {
    const shipper = new LedgerShipper(journal, ledger, silentObserver, log);
    shipper.start();
    await shipper.stop(10_000);
    return ledger;
  }

  /** As a process that died leaves it: an owner that runs no more. */
  async function leaveBehind(fill: (journal: UsageFileJournal) => void): Promise<string> {
    const journal = await openJournal();
    fill(journal);
    const folder = journal.folderPath;
    const kept = readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name))] as const);
    journal.close();
    opened.delete(journal);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const [name, bytes] of kept) if (name !== 'owner.json') writeFileSync(path.join(folder, name), bytes);
    return folder;
  }

  const segmentIn = (folder: string): string => {
    const name = readdirSync(folder).find((file) => file.endsWith('.segment'));
    if (name === undefined) throw new Error('no segment');
    return path.join(folder, name);
  };

  it('brings every record to the ledger, and leaves no file', async () => {
    const journal = await openJournal();
    const records = Array.from({ length: 1_200 }, () => makeUsageRecord());
    for (const record of records) journal.append(record);
    expect(journal.depth).toBe(1_200);
    const ledger = await shipAll(journal);
    expect([...ledger.rows.values()]).toEqual(records);
    expect(ledger.largestBatch).toBeLessThanOrEqual(500);
    expect(journal.depth).toBe(0);
    journal.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('takes over what a process left that died, cut off in the middle of a record', async () => {
    const records = Array.from({ length: 3 }, () => makeUsageRecord());
    const folder = await leaveBehind((journal) => {
      for (const record of records) journal.append(record);
    });
    appendFileSync(segmentIn(folder), readFileSync(segmentIn(folder)).subarray(0, 100));
    const journal = await openJournal();
    expect(journal.depth).toBe(3);
    expect([...(await shipAll(journal)).rows.values()]).toEqual(records);
    expect(existsSync(folder)).toBe(false);
  });

  it('skips what is damaged, brings all else, says so, and keeps the file beside', async () => {
    let failures = 0;
    const records = Array.from({ length: 5 }, () => makeUsageRecord());
    const folder = await leaveBehind((journal) => {
      for (const record of records) journal.append(record);
    });
    const segment = segmentIn(folder);
    const bytes = readFileSync(segment);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(segment, bytes);
    const journal = await openJournal(64 * MEBIBYTE, { ...silentObserver, journalFailed: () => failures++ });
    const ledger = await shipAll(journal);
    expect([...ledger.rows.values()]).toEqual(records.filter((_, index) => index !== 2));
    expect(failures).toBeGreaterThan(0);
    expect(readdirSync(directory).filter((name) => name.endsWith('.damaged'))).toHaveLength(1);
  });

  it('ends a request that was sent when its process died, and only such a one', async () => {
    const [lost, ended] = [makeBeginning({ requestId: 'lost' }), makeBeginning({ requestId: 'ended' })];
    await leaveBehind((journal) => {
      journal.begin(lost);
      journal.begin(ended);
      journal.begin({ ...lost, provider: 'second' });
      journal.append(makeUsageRecord({ id: ended.id }));
    });
    const { rows } = await shipAll(await openJournal());
    expect(rows.size).toBe(2);
    expect(rows.get(ended.id)).toMatchObject({ ending: 'complete' });
    expect(rows.get(lost.id)).toMatchObject({ requestId: 'lost', ending: 'failed', code: 'gateway_died', usage: null });
    expect(rows.get(lost.id)?.attempts.map(({ provider }) => provider)).toEqual(['openai', 'second']);
  });

  it('keeps the beginning of a request that is under way when everything around it is shipped', async () => {
    const beginning = makeBeginning();
    await leaveBehind((journal) => journal.begin(beginning));
    const journal = await openJournal(MEBIBYTE);
    const running = makeBeginning();
    journal.begin(running);
    for (let index = 0; index < 400; index++) journal.append(makeUsageRecord());
    const ledger = new MemoryLedger();
    const shipper = new LedgerShipper(journal, ledger, silentObserver, log);
    shipper.start();
    await shipper.stop(10_000);
    expect(ledger.rows.size).toBe(401);
    // Its process dies now: whoever comes next still knows of it.
    const successor = await leaveBehindAsIs(journal);
    const { rows } = await shipAll(successor, ledger);
    expect(rows.get(running.id)).toMatchObject({ code: 'gateway_died' });
  });

  async function leaveBehindAsIs(journal: UsageFileJournal): Promise<UsageFileJournal> {
    journal.close();
    opened.delete(journal);
    return openJournal();
  }

  it('leaves a process that lives what is its own', async () => {
    const living = await openJournal();
    living.append(makeUsageRecord());
    const other = await openJournal();
    expect(other.depth).toBe(0);
    expect((await shipAll(other)).rows.size).toBe(0);
    expect((await shipAll(living)).rows.size).toBe(1);
  });

  it('takes a process it cannot look up for dead once its heartbeat stands still, and not before', () => {
    let nowMs = 0;
    const clock = () => nowMs;
    const stranger = new InstanceFolder(directory, clock);
    stranger.claim();
    const owner = path.join(stranger.path, 'owner.json');
    writeFileSync(owner, JSON.stringify({ token: stranger.name, identity: null }));
    const observer = new InstanceFolder(directory, clock);
    observer.claim();
    expect(observer.adopt()).toEqual([]);
    nowMs += LEASE_MS - 1;
    expect(observer.adopt()).toEqual([]);
    utimesSync(owner, new Date(), new Date(Date.now() + 5_000));
    nowMs += 1;
    expect(observer.adopt()).toEqual([]);
    expect(stranger.isOurs()).toBe(true);
    // That was a sign of life.
    expect(observer.adopt()).toEqual([]);
    nowMs += LEASE_MS;
    expect(observer.adopt()).toEqual([stranger.path]);
    // It was only stopped, and finds out before it writes.
    nowMs += LEASE_MS;
    expect(stranger.isOurs()).toBe(false);
  });

  it('takes no new request at its bound, still records those under way, and goes on once there is room', async () => {
    const journal = await openJournal(MEBIBYTE);
    let count = 0;
    while (journal.isWritable) {
      journal.append(makeUsageRecord());
      count++;
    }
    expect(statSync(journal.folderPath).isDirectory()).toBe(true);
    journal.append(makeUsageRecord());
    const ledger = new MemoryLedger();
    const shipper = new LedgerShipper(journal, ledger, silentObserver, log);
    shipper.start();
    while (!journal.isWritable) await new Promise((resolve) => setTimeout(resolve, 10));
    await shipper.stop(10_000);
    expect(ledger.rows.size).toBe(count + 1);
  });

  it('puts aside the record that the ledger will never take, and brings all others', async () => {
    const journal = await openJournal();
    const records = Array.from({ length: 20 }, () => makeUsageRecord());
    for (const record of records) journal.append(record);
    const ledger = new MemoryLedger();
    const bad = records[7]?.id ?? '';
    ledger.refused.add(bad);
    await shipAll(journal, ledger);
    expect(ledger.rows.size).toBe(19);
    expect(readFileSync(path.join(directory, 'refused.jsonl'), 'utf8')).toContain(bad);
  });

  it('waits while the ledger is away', async () => {
    const journal = await openJournal();
    const ledger = new MemoryLedger();
    ledger.isAvailable = false;
    const shipper = new LedgerShipper(journal, ledger, silentObserver, log);
    shipper.start();
    journal.append(makeUsageRecord());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(journal.depth).toBe(1);
    ledger.isAvailable = true;
    await shipper.stop(10_000);
    expect(ledger.rows.size).toBe(1);
  });

  it('sends few batches of what comes all the time', async () => {
    const journal = await openJournal();
    const ledger = new MemoryLedger();
    ledger.takesMs = 15;
    const shipper = new LedgerShipper(journal, ledger, silentObserver, log);
    journal.append(makeUsageRecord());
    shipper.start();
    for (let made = 1; made < 60; made += 1) {
      journal.append(makeUsageRecord());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await shipper.stop(10_000);
    expect(ledger.rows.size).toBe(60);
    expect(ledger.batches).toBeLessThan(10);
  });

  it('counts what arrived without anybody saying so, once', async () => {
    const counts: number[] = [];
    const observer: GatewayObserver = { ...silentObserver, usageShipped: (count) => void counts.push(count) };
    const journal = await openJournal();
    for (let made = 0; made < 40; made += 1) journal.append(makeUsageRecord());
    const ledger = new MemoryLedger();
    ledger.losesAnswers = 2;
    const shipper = new LedgerShipper(journal, ledger, observer, log);
    shipper.start();
    while (journal.depth > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    for (let made = 0; made < 5; made += 1) journal.append(makeUsageRecord());
    // What another process has shipped already.
    const there = makeUsageRecord();
    ledger.rows.set(there.id, there);
    journal.append(there);
    await shipper.stop(10_000);
    expect(ledger.rows.size).toBe(46);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(45);
  });

  it('says at the start that a folder can never be written', async () => {
    const file = path.join(directory, 'file');
    writeFileSync(file, '');
    const journal = new UsageFileJournal(
      { directory: path.join(file, 'journal'), maxBytes: MEBIBYTE, syncIntervalMs: 50 },
      silentObserver,
      log,
    );
    await expect(journal.open()).rejects.toThrow(/cannot be written.*accounting\.journal_dir/);
  });

  it('can be read by nobody else on this machine', async () => {
    const root = path.join(directory, 'journal');
    const journal = new UsageFileJournal(
      { directory: root, maxBytes: MEBIBYTE, syncIntervalMs: 50 },
      silentObserver,
      log,
    );
    await journal.open();
    opened.add(journal);
    journal.append(makeUsageRecord());
    const modeOf = (file: string): number => statSync(file).mode & 0o777;
    expect([modeOf(root), modeOf(journal.folderPath)]).toEqual([0o700, 0o700]);
    const names = readdirSync(journal.folderPath);
    expect(names).toHaveLength(3);
    expect(names.map((name) => modeOf(path.join(journal.folderPath, name)))).toEqual(names.map(() => 0o600));
  });

  it('is not held up by a record that is too large to be written', async () => {
    const journal = await openJournal();
    expect(() => journal.append(makeUsageRecord({ finishReason: 'x'.repeat(MEBIBYTE) }))).toThrow('too large');
    expect(journal.isWritable).toBe(true);
    // What makes it try again all that it could not write.
    rmSync(journal.folderPath, { recursive: true });
    const last = makeUsageRecord();
    for (let count = 0; journal.isWritable && count < 1_000; count++) {
      try {
        journal.append(makeUsageRecord({ project: 'x'.repeat(100_000) }));
      } catch {
        break;
      }
    }
    mkdirSync(journal.folderPath, { recursive: true });
    for (const deadline = performance.now() + 10_000; !journal.isWritable && performance.now() < deadline; )
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(journal.isWritable).toBe(true);
    journal.append(last);
    expect((await shipAll(journal)).rows.get(last.id)).toEqual(last);
  }, 15_000);

  it('still writes a record that comes after its end, for the next process', async () => {
    const first = await openJournal();
    first.close();
    expect(first.isWritable).toBe(false);
    const late = makeUsageRecord();
    first.append(late);
    const next = await openJournal();
    first.close();
    for (const deadline = performance.now() + 10_000; next.depth === 0 && performance.now() < deadline; )
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect([...(await shipAll(next)).rows.values()]).toEqual([late]);
  }, 15_000);

  it('takes no record of a moment that no calendar has for one', async () => {
    const journal = await openJournal();
    const [good, bad] = [makeUsageRecord(), makeUsageRecord({ startedAtMs: 1e300 })];
    for (const record of [bad, good]) journal.append(record);
    expect([...(await shipAll(journal)).rows.values()]).toEqual([good]);
    expect(readdirSync(directory).some((name) => name.endsWith('.damaged'))).toBe(true);
  });
});
