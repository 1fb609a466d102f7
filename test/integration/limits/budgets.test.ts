import { randomUUID } from 'node:crypto';
import { ApiKeyRepository } from '../../../src/database/api-key.repository.js';
import { BudgetRepository } from '../../../src/database/budget.repository.js';
import { DatabaseService } from '../../../src/database/database.service.js';
import { buildDatabaseSettings } from '../../../src/database/database-settings.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { makePrincipal } from '../../support/principals.js';

describe('budgets of teams and organizations', () => {
  let server: TestDatabase;
  let database: DatabaseService;
  let budgets: BudgetRepository;
  let keys: ApiKeyRepository;
  beforeAll(async () => {
    server = await createDatabase();
    database = new DatabaseService(buildDatabaseSettings({ url: server.url }));
    await database.onModuleInit();
    budgets = new BudgetRepository(database);
    keys = new ApiKeyRepository(database);
  });
  afterAll(async () => {
    await database.onApplicationShutdown();
    await server.drop();
  });

  const hash = () => (randomUUID() + randomUUID()).replaceAll('-', '');
  const makeKey = async (organization: string, team: string): Promise<string> => {
    const { keyId: _made, ...principal } = makePrincipal({ organization, team });
    const keyHash = hash();
    await keys.create({ ...principal, keyHash });
    return keyHash;
  };

  it('are part of what is known of each key, exactly, and say whose keys to tell of', async () => {
    const [core, edge] = [await makeKey('acme', 'core'), await makeKey('acme', 'edge')];
    await makeKey('other', 'core');
    const amount = 9_007_199_254_740_993n;
    const team = { organization: 'acme', team: 'core', budgetNanoUsd: amount, budgetWindow: 'day' } as const;
    const all = { organization: 'acme', team: null, budgetNanoUsd: 2n * amount, budgetWindow: 'month' } as const;
    expect(await budgets.set(team)).toEqual([core]);
    expect((await budgets.set(all))?.toSorted()).toEqual([core, edge].toSorted());
    expect((await keys.findByHash(core))?.principal).toMatchObject({
      teamBudgetNanoUsd: amount,
      teamBudgetWindow: 'day',
      organizationBudgetNanoUsd: 2n * amount,
      organizationBudgetWindow: 'month',
    });
    expect((await keys.findByHash(edge))?.principal).toMatchObject({ teamBudgetNanoUsd: null, teamBudgetWindow: null });
    expect(await budgets.list()).toEqual([all, team]);

    await budgets.set({ ...team, budgetNanoUsd: null, budgetWindow: null });
    expect((await keys.findByHash(core))?.principal.teamBudgetNanoUsd).toBeNull();
    expect(await budgets.list()).toEqual([all]);
  });

  it('are not set for nobody', async () => {
    const budget = { budgetNanoUsd: 1n, budgetWindow: 'day' } as const;
    expect(await budgets.set({ organization: 'nobody', team: null, ...budget })).toBeNull();
    expect(await budgets.set({ organization: 'acme', team: 'nobody', ...budget })).toBeNull();
  });

  it('reach running gateways as a change of the keys', async () => {
    const key = await makeKey('watched', 'team');
    const before = await keys.findChanged(null, 0);
    await budgets.set({ organization: 'watched', team: null, budgetNanoUsd: 5n, budgetWindow: 'day' });
    expect((await keys.findChanged(before.horizon, 0)).hashes).toContain(key);
  });
});
