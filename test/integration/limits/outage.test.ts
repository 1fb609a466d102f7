import { randomUUID } from 'node:crypto';
import { runMigrations } from '../../../src/database/migrate.js';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { findFreePort } from '../../support/ports.js';
import { startOwnPostgres, type TestServer } from '../../support/postgres.js';
import { describeWithOwnRedis, startOwnRedis, type TestRedis } from '../../support/redis.js';
import { type LimitReplica, startLimitReplica, until } from './limit-replica.js';

describeWithOwnRedis('limits without PostgreSQL', () => {
  let server: TestServer;
  let redis: TestRedis;
  let replica: LimitReplica;
  beforeAll(async () => {
    server = await startOwnPostgres();
    await runMigrations(server.url);
    redis = await startOwnRedis(await findFreePort());
    replica = await startLimitReplica(server.url, redis.url);
    await until(() => replica.redis.isAvailable);
  });
  afterAll(async () => {
    await replica.close();
    await redis.close();
    await server.remove();
  });

  it('go on as they stand, and a budget nobody knows of begins at nothing', async () => {
    const [known, unknown] = [randomUUID(), randomUUID()];
    const ask = (subject: string) =>
      replica.reserve(makeDemand({ keyId: subject, budgets: [makeBudget(10n, { subject, estimateNanoUsd: 1n })] }));
    const first = await ask(known);
    if (first.kind === 'admitted') first.grant.settle({ tokens: 0, costNanoUsd: 10n });
    await until(async () => (await ask(known)).kind === 'spent');
    await server.stop();
    const outcome = await ask(unknown);
    expect(outcome.kind === 'admitted' && outcome.grant.figures?.budgets).toMatchObject([
      { spentNanoUsd: 0n, isSeeded: false },
    ]);
    if (outcome.kind === 'admitted') outcome.grant.settle({ tokens: 0, costNanoUsd: 10n });
    await until(async () => (await ask(unknown)).kind === 'spent');
    expect((await ask(known)).kind).toBe('spent');
  });
});
