import { KeyChangesService } from '../../../src/auth/key-changes.service.js';
import type { ApiKeyRecord } from '../../../src/database/api-key.repository.js';
import type { RequestContext } from '../../../src/request-context/request-context.js';
import type { TestServer } from '../../support/postgres.js';
import { startOwnPostgres } from '../../support/postgres.js';
import { signalFamily } from '../../support/process-family.js';
import type { Replica } from './replica.js';
import { buildOrder, startReplica, waitUntil } from './replica.js';

describe('keys while the database fails', () => {
  let server: TestServer;
  let replica: Replica;
  beforeAll(async () => {
    server = await startOwnPostgres();
  });
  afterAll(() => server.remove());
  afterEach(() => replica.close());

  it('are served where they are known, refused as unavailable where not, and all found again after a freeze', async () => {
    replica = await startReplica({ databaseUrl: server.url, auth: { cacheTtlMs: 100 } });
    const known = await replica.keys.create(buildOrder());
    const never = await replica.keys.create(buildOrder());
    await replica.store.find(known.keyHash);
    signalFamily(server.processId, 'SIGSTOP');
    try {
      await waitUntil(async () => {
        expect((await replica.store.find(known.keyHash)).key?.status).toBe('active');
        return replica.database.health.state === 'degraded';
      });
      expect(await replica.store.find(known.keyHash)).toMatchObject({ tier: 'memory', key: { status: 'active' } });
      await expect(replica.store.find(never.keyHash)).rejects.toMatchObject({
        code: 'dependency_unavailable',
        status: 503,
      });
      await expect(replica.store.find(buildOrder().keyHash)).rejects.toMatchObject({ status: 503 });
    } finally {
      signalFamily(server.processId, 'SIGCONT');
    }
    await waitUntil(async () => {
      try {
        return (await replica.store.find(never.keyHash)).tier === 'database';
      } catch {
        return false;
      }
    }, 10_000);
    expect(replica.database.health).toEqual({ state: 'healthy', reason: null });
  });

  it('end nothing that is open meanwhile, but what expires, and end what was revoked once it can be asked', async () => {
    replica = await startReplica({ databaseUrl: server.url });
    const cuts: string[] = [];
    const open = async (name: string, expiresAtMs: number | null): Promise<ApiKeyRecord> => {
      const record = await replica.keys.create(buildOrder({ expiresAtMs }));
      const context = { keyHash: record.keyHash, principal: record.principal, level: null, requestedModel: null };
      replica.openRequests.begin(context as RequestContext, ({ code }) => cuts.push(`${name} ${code}`));
      return record;
    };
    await open('lasting', null);
    const revoked = await open('revoked', null);
    await open('expiring', Date.now() + 2_000);
    await replica.changes.sweep();
    // Under way when the database stops, so that no look at it beforehand can have seen it.
    await replica.database.run((manager) =>
      manager.transaction(async (transaction) => {
        // A look that was asked for while nothing answers waits for the change, however the two wake up.
        await transaction.query('LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE');
        await transaction.query(`UPDATE api_key SET status = 'revoked', revoked_at = now() WHERE id = $1`, [
          revoked.principal.keyId,
        ]);
        signalFamily(server.processId, 'SIGSTOP');
        try {
          // Somebody says so, and nobody can be asked whether it is true.
          replica.openRequests.doubtAll();
          await waitUntil(() => cuts.length > 0);
          expect(cuts).toEqual(['expiring invalid_api_key']);
        } finally {
          signalFamily(server.processId, 'SIGCONT');
        }
      }),
    );
    await waitUntil(() => cuts.includes('revoked invalid_api_key'));
    expect(cuts.some((cut) => cut.startsWith('lasting'))).toBe(false);
  });

  it('are served where they changed a moment before, as the last sweep saw them', async () => {
    replica = await startReplica({ databaseUrl: server.url });
    const [kept, lowered, revoked] = [
      await replica.keys.create(buildOrder()),
      await replica.keys.create(buildOrder()),
      await replica.keys.create(buildOrder()),
    ];
    for (const { keyHash } of [kept, lowered, revoked]) await replica.store.find(keyHash);
    await replica.keys.update(lowered.principal.keyId, () => ({ maxClassification: 'INTERNAL' }));
    await replica.keys.revoke(revoked.principal.keyId, null);
    await replica.changes.sweep();
    signalFamily(server.processId, 'SIGSTOP');
    try {
      await waitUntil(async () => {
        expect((await replica.store.find(kept.keyHash)).key?.status).toBe('active');
        expect((await replica.store.find(lowered.keyHash)).key?.principal.maxClassification).toBe('INTERNAL');
        expect((await replica.store.find(revoked.keyHash)).key?.status).toBe('revoked');
        return replica.database.health.state === 'degraded';
      });
    } finally {
      signalFamily(server.processId, 'SIGCONT');
    }
  });

  it('are served after the first sweep too, which cannot tell what changed before it', async () => {
    replica = await startReplica({ databaseUrl: server.url });
    const known = await replica.keys.create(buildOrder());
    await replica.store.find(known.keyHash);
    await replica.changes.sweep();
    // Everything counts as changed: nobody knows what another run of the server had told.
    const later = new KeyChangesService(
      replica.settings,
      replica.redis,
      replica.shared,
      replica.store,
      replica.keys,
      replica.openRequests,
    );
    await later.sweep();
    signalFamily(server.processId, 'SIGSTOP');
    try {
      expect((await replica.store.find(known.keyHash)).key?.status).toBe('active');
    } finally {
      signalFamily(server.processId, 'SIGCONT');
    }
  });

  it('are not served where they were told to be forgotten, until the database was asked', async () => {
    replica = await startReplica({ databaseUrl: server.url });
    const known = await replica.keys.create(buildOrder());
    await replica.store.find(known.keyHash);
    signalFamily(server.processId, 'SIGSTOP');
    try {
      // As a message makes it.
      replica.store.forget([known.keyHash]);
      await expect(replica.store.find(known.keyHash)).rejects.toMatchObject({ code: 'dependency_unavailable' });
    } finally {
      signalFamily(server.processId, 'SIGCONT');
    }
    await waitUntil(async () => {
      const lookup = await replica.store.find(known.keyHash).catch(() => null);
      return lookup?.key?.status === 'active';
    });
  });

  it('are no longer served once the grace is over', async () => {
    replica = await startReplica({ databaseUrl: server.url, auth: { cacheTtlMs: 50, staleGraceMs: 1_500 } });
    const known = await replica.keys.create(buildOrder());
    await replica.store.find(known.keyHash);
    signalFamily(server.processId, 'SIGSTOP');
    try {
      expect((await replica.store.find(known.keyHash)).key?.status).toBe('active');
      await waitUntil(async () => {
        const outcome = await replica.store.find(known.keyHash).catch((error: unknown) => error);
        return outcome instanceof Error && 'code' in outcome && outcome.code === 'dependency_unavailable';
      });
    } finally {
      signalFamily(server.processId, 'SIGCONT');
    }
  });

  it('survive connections that the server ends, idle or in use', async () => {
    replica = await startReplica({ databaseUrl: server.url });
    const known = await replica.keys.create(buildOrder());
    for (let round = 0; round < 3; round += 1) {
      const sleeping = replica.database
        .run((manager) => manager.query('SELECT pg_sleep(30)'))
        .catch((error: unknown) => error);
      const idle = Promise.all([1, 2, 3].map(() => replica.keys.list()));
      await idle;
      const admin = await startReplica({ databaseUrl: server.url });
      await admin.database.run((manager) =>
        manager.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'aegis' AND pid <> pg_backend_pid()",
        ),
      );
      await admin.close();
      expect(await sleeping).toBeInstanceOf(Error);
      replica.store.forget([known.keyHash]);
      await waitUntil(async () => {
        try {
          return (await replica.store.find(known.keyHash)).key !== null;
        } catch {
          return false;
        }
      });
    }
  });

  it('never wait on a query longer than its limit, and the connection it hung on is not used again', async () => {
    replica = await startReplica({ databaseUrl: server.url });
    const backendOf = (): Promise<{ pid: number }[]> =>
      replica.database.run((manager) => manager.query('SELECT pg_backend_pid() AS pid'));
    const hung = replica.database.run((manager) => manager.query('SELECT pg_backend_pid() AS pid, pg_sleep(60)'));
    await expect(hung).rejects.toThrow('did not answer within 1000 ms');
    await waitUntil(() => replica.database.isAvailable);
    const [sleeping] = await replica.database.run((manager) =>
      manager.query("SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"),
    );
    const pids = await Promise.all(Array.from({ length: 5 }, backendOf));
    expect(pids.flat().map(({ pid }) => pid)).not.toContain(sleeping?.pid);
    await replica.database.run((manager) => manager.query('SELECT pg_terminate_backend($1)', [sleeping?.pid]));
  });
});

describe('a start without the database', () => {
  it('succeeds, and the database joins when it comes', async () => {
    const server = await startOwnPostgres();
    const url = server.url;
    signalFamily(server.processId, 'SIGSTOP');
    const replica = await startReplica({ databaseUrl: url });
    try {
      expect(replica.database.health).toMatchObject({ state: 'down', reason: expect.any(String) });
      await expect(replica.store.find(buildOrder().keyHash)).rejects.toMatchObject({ status: 503 });
      signalFamily(server.processId, 'SIGCONT');
      await waitUntil(() => replica.database.health.state === 'healthy', 10_000);
      // It has migrated by itself.
      await expect(replica.store.find(buildOrder().keyHash)).resolves.toEqual({ key: null, tier: 'none' });
    } finally {
      signalFamily(server.processId, 'SIGCONT');
      await replica.close();
      await server.remove();
    }
  });

  it('succeeds where nothing listens at all', async () => {
    const replica = await startReplica({ databaseUrl: 'postgres://aegis:secret-password@127.0.0.1:1/aegis' });
    try {
      expect(replica.database.health).toMatchObject({ state: 'down', reason: expect.stringContaining('ECONNREFUSED') });
      expect(replica.database.health.reason).not.toContain('secret-password');
    } finally {
      await replica.close();
    }
  });
});
