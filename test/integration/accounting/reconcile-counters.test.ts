import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { UsageFileJournal } from '../../../src/accounting/journal/usage.journal.js';
import { UsageLedger } from '../../../src/accounting/ledger/usage.ledger.js';
import { CounterReader } from '../../../src/accounting/limits/counter-reader.js';
import type { BudgetDemand } from '../../../src/accounting/limits/limit-store.js';
import type { Grant } from '../../../src/accounting/limits/limiter.service.js';
import { SpendingRepository } from '../../../src/accounting/limits/spending.repository.js';
import { CounterReconciler } from '../../../src/accounting/reconciliation/counter-reconciliation.js';
import { ReconciliationStore } from '../../../src/accounting/reconciliation/reconciliation.store.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { silentObserver } from '../../../src/domain/observer.js';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithRedis, startRedis, type TestRedis } from '../../support/redis.js';
import { makeUsageRecord } from '../../support/usage-records.js';
import { type LimitReplica, recordUse, startLimitReplica, until } from '../limits/limit-replica.js';

const CENT = 10_000_000n;
const log = { log: () => undefined, warn: () => undefined, error: () => undefined };

describeWithRedis('reconciliation of what budgets counted', () => {
  let directory: string;
  let database: TestDatabase;
  let server: TestRedis;
  let client: Redis;
  let service: DatabaseService;
  let replica: LimitReplica;
  let keyId: string;

  beforeAll(async () => {
    [database, server] = await Promise.all([createDatabase(), startRedis()]);
    client = new Redis(server.url);
    service = new DatabaseService(buildDatabaseSettings({ url: database.url }));
    await service.onModuleInit();
  });
  afterAll(async () => {
    await service.onApplicationShutdown();
    client.disconnect();
    await server.close();
    await database.drop();
  });
  beforeEach(async () => {
    await database.query('TRUNCATE usage_request CASCADE');
    await client.flushdb();
    // A gateway remembers what was spent, and would tell it again.
    replica = await startLimitReplica(database.url, server.url);
    await until(() => replica.redis.isAvailable);
    keyId = randomUUID();
    directory = mkdtempSync(path.join(tmpdir(), 'aegis-counters-'));
  });
  afterEach(async () => {
    await replica.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const reconcile = () =>
    new CounterReconciler(
      directory,
      new CounterReader(replica.redis),
      new SpendingRepository(service),
      new ReconciliationStore(service),
    ).run();

  const budgetsOf = (): BudgetDemand[] => [
    makeBudget(100n * CENT, { subject: keyId, estimateNanoUsd: CENT }),
    makeBudget(100n * CENT, { scope: 'team', subject: 'core', estimateNanoUsd: CENT }),
    makeBudget(100n * CENT, { scope: 'organization', subject: 'acme', estimateNanoUsd: CENT }),
  ];

  async function reserve(): Promise<Grant> {
    const outcome = await replica.reserve(makeDemand({ keyId, budgets: budgetsOf() }));
    if (outcome.kind !== 'admitted') throw new Error(`not admitted: ${outcome.kind}`);
    return outcome.grant;
  }

  const readOpen = async (): Promise<number> =>
    (await new CounterReader(replica.redis).list(Date.now())).reduce((sum, { unsettled }) => sum + unsettled, 0);

  /** A whole request: reserved, recorded, settled. */
  async function spend(costNanoUsd: bigint): Promise<void> {
    const grant = await reserve();
    await recordUse(database, keyId, costNanoUsd);
    grant.settle({ tokens: 1, costNanoUsd });
    await until(async () => (await readOpen()) === 0);
  }

  it('finds that ledger and counters agree, to the nano-dollar and whoever the budget belongs to', async () => {
    await recordUse(database, keyId, 7n);
    await spend(3n * CENT + 1n);
    await spend(CENT);
    const spentNanoUsd = 4n * CENT + 8n;
    const same = { agrees: true, isSeeded: true, unsettled: 0, spentNanoUsd, recordedNanoUsd: spentNanoUsd };
    expect(await reconcile()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...same, scope: 'key', subject: keyId, organization: 'acme' }),
        expect.objectContaining({ ...same, scope: 'team', subject: 'core' }),
        expect.objectContaining({ ...same, scope: 'organization', subject: 'acme', toleranceNanoUsd: 0n }),
      ]),
    );
  });

  it('knows no counter but those of the window that lasts', async () => {
    const [, second] = await Promise.all([
      spend(CENT),
      client.hset(`aegis:limits:{acme}:key:${keyId}:2001-01-01:budget`, 'epoch', '1'),
    ]);
    expect(second).toBe(1);
    expect((await reconcile()).filter(({ scope }) => scope === 'key')).toHaveLength(1);
  });

  it('counts in what the journal holds and PostgreSQL has not got, once', async () => {
    await spend(CENT);
    const settings = { directory, maxBytes: 64 * 1024 * 1024, syncIntervalMs: 50 };
    const journal = new UsageFileJournal(settings, silentObserver, log);
    await journal.open();
    const shared = makeUsageRecord({ keyId, startedAtMs: Date.now(), costNanoUsd: 5n });
    await new UsageLedger(service).insert([shared]);
    const waiting = makeUsageRecord({ keyId, startedAtMs: Date.now(), costNanoUsd: 2n * CENT });
    const grants = [await reserve(), await reserve()];
    for (const record of [shared, waiting, waiting]) journal.append(record);
    grants[0]?.settle({ tokens: 1, costNanoUsd: 5n });
    grants[1]?.settle({ tokens: 1, costNanoUsd: 2n * CENT });
    await until(async () => (await readOpen()) === 0);
    const readings = await reconcile();
    journal.close();
    expect(readings.map(({ agrees, recordedNanoUsd }) => ({ agrees, recordedNanoUsd }))).toEqual(
      readings.map(() => ({ agrees: true, recordedNanoUsd: 3n * CENT + 5n })),
    );
  });

  it('names the budgets whose counter has lost or made up money', async () => {
    await spend(CENT);
    const [short] = await client.keys(`*:key:${keyId}:*:budget`);
    const [long] = await client.keys('*:team:core:*:budget');
    await client.hincrby(short ?? '', 'charged', -3);
    await client.hincrby(long ?? '', 'charged', 2);
    const readings = await reconcile();
    expect(readings.filter(({ agrees }) => !agrees)).toEqual([
      expect.objectContaining({ scope: 'key', subject: keyId, differenceNanoUsd: -3n, toleranceNanoUsd: 0n }),
      expect.objectContaining({ scope: 'team', subject: 'core', differenceNanoUsd: 2n }),
    ]);
    expect(readings).toHaveLength(3);
  }, 20_000);

  it('tolerates what a killed gateway had recorded and not settled, and not a nano-dollar more', async () => {
    await spend(CENT);
    await reserve();
    await recordUse(database, keyId, 4n * CENT);
    for (const { agrees, differenceNanoUsd, toleranceNanoUsd, unsettled } of await reconcile()) {
      expect({ agrees, differenceNanoUsd, toleranceNanoUsd, unsettled }).toEqual({
        agrees: true,
        differenceNanoUsd: -4n * CENT,
        toleranceNanoUsd: 4n * CENT,
        unsettled: 1,
      });
    }
    await recordUse(database, keyId, 1n);
    expect((await reconcile()).map(({ agrees }) => agrees)).toEqual([false, false, false]);
  }, 20_000);

  it('agrees while requests come and go', async () => {
    let isOver = false;
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const grant = await reserve();
          await recordUse(database, keyId, 1_000n);
          grant.settle({ tokens: 1, costNanoUsd: 1_000n });
        }
      }),
    );
    const readings = await reconcile();
    isOver = true;
    await load;
    expect(readings.map(({ agrees }) => agrees)).toEqual([true, true, true]);
  });
});
