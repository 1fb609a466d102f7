import { randomUUID } from 'node:crypto';
import type { LimitDemand } from '../../../src/accounting/limits/limit-store.js';
import type { GrantOutcome } from '../../../src/accounting/limits/limiter.service.js';
import { RedisUnavailableError } from '../../../src/redis/redis.service.js';
import type { RedisSettings } from '../../../src/redis/redis-settings.js';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { buildOrder, type Replica, startReplica, waitUntil } from '../auth/replica.js';
import { type LimitReplica, startLimitReplica } from '../limits/limit-replica.js';

const ATTEMPTS = 20;

/** Two gateways' limits and keys on one Redis, however it is reached. */
export class SharedRedis {
  private constructor(
    private readonly database: TestDatabase,
    readonly limits: readonly [LimitReplica, LimitReplica],
    readonly keys: readonly [Replica, Replica],
  ) {}

  static async start(reached: Partial<RedisSettings> & { readonly url: string }): Promise<SharedRedis> {
    const database = await createDatabase();
    const limit = () => startLimitReplica(database.url, reached.url, { ...reached, commandTimeoutMs: 2_000 });
    const key = () =>
      startReplica({
        databaseUrl: database.url,
        redisUrl: reached.url,
        redis: { ...reached, commandTimeoutMs: 2_000 },
      });
    const shared = new SharedRedis(database, [await limit(), await limit()], [await key(), await key()]);
    await waitUntil(() => shared.isAvailable);
    await Promise.all(shared.keys.map(({ changes }) => changes.sweep()));
    return shared;
  }

  get isAvailable(): boolean {
    return (
      this.limits.every(({ redis }) => redis.isAvailable) &&
      this.keys.every(({ redis }) => redis.isAvailable && redis.isListening)
    );
  }

  /**
   * How many of so many requests two replicas together let through, by turns. Counted in Redis, or begun again with
   * another key: an answer that came too late, on a machine that is busy, may have counted.
   */
  async countAdmitted(asked: number, changes: Partial<LimitDemand>): Promise<number> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      await waitUntil(() => this.isAvailable, 60_000);
      const kinds: string[] = [];
      const keyId = randomUUID();
      for (let turn = 0; turn < asked; turn += 1) {
        kinds.push((await this.reserve(turn % 2 === 0 ? 0 : 1, { keyId, ...changes })).kind);
      }
      if (!kinds.includes('closed')) return kinds.filter((kind) => kind === 'admitted').length;
    }
    throw new Error('Redis counts nothing');
  }

  reserve(replica: 0 | 1, changes: Partial<LimitDemand>): Promise<GrantOutcome> {
    return this.limits[replica].reserve(makeDemand(changes), 'closed');
  }

  /** A key that both know by now. */
  async makeKnownKey(): Promise<string> {
    const [first, second] = this.keys;
    for (;;) {
      const { keyHash } = await first.keys.create(buildOrder());
      await first.store.find(keyHash);
      await first.store.writeBack(keyHash);
      // A sweep that comes between the two keeps what is new out of Redis for a while.
      if ((await second.shared.find(keyHash, Date.now()).catch(() => null)) === null) continue;
      await second.store.find(keyHash);
      return keyHash;
    }
  }

  /** Says that a key changed, as the command line does; resolves once the other replica has forgotten it. */
  async announce(keyHash: string): Promise<void> {
    const [first, second] = this.keys;
    let heard = false;
    const forget = second.store.forget.bind(second.store);
    second.store.forget = (hashes: readonly string[]) => {
      heard ||= hashes.includes(keyHash);
      forget(hashes);
    };
    await this.asked(() => first.shared.announce([keyHash]));
    await waitUntil(() => heard);
    second.store.forget = forget;
  }

  /** Does it while all replicas reach Redis; once more where a machine that is busy lost it for a moment. */
  private async asked(operation: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await waitUntil(() => this.isAvailable, 60_000);
      try {
        await operation();
        return;
      } catch (error) {
        if (!(error instanceof RedisUnavailableError) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.limits, ...this.keys].map((replica) => replica.close()));
    await this.database.drop();
  }
}

/** What two gateways may expect of a Redis, whatever it is. */
export function describeSharedRedis(getShared: () => SharedRedis): void {
  it('lets two gateways together admit what a limit says, of many organizations', async () => {
    for (const organization of ['acme', 'globex', 'initech', 'umbrella', 'hooli', 'stark']) {
      const changes = { organization, requestLimit: 5, tokenLimit: 1_000, tokens: 10 };
      expect(await getShared().countAdmitted(8, changes)).toBe(5);
    }
  });

  it('lets them together spend what a budget says, of key, team and organization', async () => {
    for (const organization of ['acme-budget', 'globex-budget', 'initech-budget']) {
      const scopes = ['key', 'team', 'organization'] as const;
      const budgets = scopes.map((scope) =>
        makeBudget(100n, { scope, subject: `${organization}-${scope}`, estimateNanoUsd: 0n }),
      );
      const changes = { organization, keyId: organization, budgets };
      await waitUntil(async () => {
        const outcome = await getShared().reserve(0, changes);
        if (outcome.kind === 'admitted') outcome.grant.settle({ tokens: 1, costNanoUsd: 150n });
        return outcome.kind !== 'closed';
      });
      await waitUntil(async () => (await getShared().reserve(1, changes)).kind === 'spent');
    }
  });

  it('shares keys, and tells the others at once of one that changed', async () => {
    for (let turn = 0; turn < 8; turn += 1) await getShared().announce(await getShared().makeKnownKey());
  });
}
