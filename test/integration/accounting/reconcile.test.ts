import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UsageFileJournal } from '../../../src/accounting/journal/usage.journal.js';
import { LedgerShipper } from '../../../src/accounting/ledger/ledger.shipper.js';
import { UsageLedger } from '../../../src/accounting/ledger/usage.ledger.js';
import { Reconciler } from '../../../src/accounting/reconciliation/reconciliation.js';
import { ReconciliationStore } from '../../../src/accounting/reconciliation/reconciliation.store.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { silentObserver } from '../../../src/domain/observer.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { makeUsageRecord } from '../../support/usage-records.js';

const log = { log: () => undefined, warn: () => undefined, error: () => undefined };
const ALWAYS = { fromMs: null, toMs: null };

/** The real PostgreSQL, and a journal of which nothing is removed: the request that keeps it is never ended. */
describe('reconciliation', () => {
  let directory: string;
  let database: TestDatabase;
  let service: DatabaseService;
  let journal: UsageFileJournal;
  /** At work until the end of their test: one that is stopped lets the journal go. */
  const shippers: LedgerShipper[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    service = new DatabaseService(buildDatabaseSettings({ url: database.url }));
    await service.onModuleInit();
  });
  afterAll(async () => {
    await service.onApplicationShutdown();
    await database.drop();
  });
  beforeEach(async () => {
    await database.query('TRUNCATE usage_request CASCADE');
    directory = mkdtempSync(path.join(tmpdir(), 'aegis-reconcile-'));
    journal = new UsageFileJournal({ directory, maxBytes: 64 * 1024 * 1024, syncIntervalMs: 50 }, silentObserver, log);
    await journal.open();
  });
  afterEach(async () => {
    await Promise.all(shippers.splice(0).map((shipper) => shipper.stop(1_000)));
    journal.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const reconcile = () => new Reconciler(directory, new ReconciliationStore(service), ALWAYS).run();

  async function record(count: number, isShipped = true) {
    const records = Array.from({ length: count }, () => makeUsageRecord());
    for (const each of records) journal.append(each);
    if (!isShipped) return records;
    const shipper = new LedgerShipper(journal, new UsageLedger(service), silentObserver, log);
    shipper.start();
    shippers.push(shipper);
    while (journal.depth > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    return records;
  }

  it('finds that journal and ledger agree, to the token and the nano-dollar', async () => {
    await record(700);
    expect(await reconcile()).toMatchObject({
      agrees: true,
      journal: { count: 700, promptTokens: 6_300n, completionTokens: 2_100n, costNanoUsd: 2_205_000n },
      ledger: { count: 700, promptTokens: 6_300n, completionTokens: 2_100n, costNanoUsd: 2_205_000n },
      requests: { count: 700 },
      attempts: { count: 700 },
    });
  });

  it('keeps every record once, however often it is sent', async () => {
    const records = await record(3);
    const ledger = new UsageLedger(service);
    const fresh = makeUsageRecord();
    expect(await ledger.insert([...records, fresh, fresh])).toBe(1);
    expect(await database.query('SELECT 1 FROM usage_request')).toHaveLength(4);
    expect(await database.query('SELECT 1 FROM usage_attempt')).toHaveLength(4);
  });

  it('believes a gateway that was taken for dead, whichever word comes first', async () => {
    const ledger = new UsageLedger(service);
    const real = makeUsageRecord();
    const heir = makeUsageRecord({ id: real.id, code: 'gateway_died', status: 500, usage: null, costNanoUsd: null });
    const attempts = heir.attempts.map((attempt) => ({ ...attempt, usage: null, costNanoUsd: null }));
    const orders = [[[heir], [real]], [[real], [heir]], [[heir, real]], [[real, heir]], [[heir], [heir, real], [heir]]];
    for (const batches of orders) {
      await database.query('TRUNCATE usage_request CASCADE');
      for (const batch of batches) {
        await ledger.insert(batch.map((record) => (record === heir ? { ...heir, attempts } : record)));
      }
      expect(await database.query('SELECT code, status, cost_nano_usd FROM usage_request')).toEqual([
        { code: null, status: 200, cost_nano_usd: '3150' },
      ]);
      expect(await database.query('SELECT cost_nano_usd FROM usage_attempt')).toEqual([{ cost_nano_usd: '3150' }]);
    }
    journal.append({ ...heir, attempts });
    expect(await reconcile()).toMatchObject({ agrees: true, missingCount: 0, differingCount: 0 });
  });

  it('names what is missing and what is different', async () => {
    const [first, second] = await record(5);
    await database.query('DELETE FROM usage_request WHERE id = $1', [first?.id]);
    await database.query('UPDATE usage_request SET cost_nano_usd = 0 WHERE id = $1', [second?.id]);
    const result = await reconcile();
    expect(result).toMatchObject({ agrees: false, missing: [first?.id], differing: [second?.id] });
    expect(result.problems).toEqual([expect.stringContaining('attempts differ')]);
  }, 15_000);

  it('counts what was never shipped as missing', async () => {
    const records = await record(2, false);
    const result = await reconcile();
    expect(result.agrees).toBe(false);
    expect([...result.missing].sort()).toEqual(records.map(({ id }) => id).sort());
  }, 15_000);

  it('does not call proven what it cannot read', async () => {
    await record(3);
    const segment = path.join(
      journal.folderPath,
      readdirSync(journal.folderPath).find((name) => name.endsWith('.segment')) ?? '',
    );
    const bytes = readFileSync(segment);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(segment, bytes);
    const result = await reconcile();
    expect(result).toMatchObject({ agrees: false, missingCount: 0 });
    expect(result.problems).toEqual([expect.stringContaining('cannot be read')]);
  });
});
