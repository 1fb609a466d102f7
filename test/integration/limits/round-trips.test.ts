import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { makeBudget, makeDemand } from '../../support/limit-demands.js';
import { createDatabase, type TestDatabase } from '../../support/postgres.js';
import { describeWithRedis, startRedis, type TestRedis } from '../../support/redis.js';
import { type LimitReplica, startLimitReplica, until } from './limit-replica.js';

/** Passes everything on, and counts how often the client speaks after it was answered. */
class CountingRelay {
  private turns = 0;
  private sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(upstreamPort: number): Promise<CountingRelay> {
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const relay = new CountingRelay(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => relay.join(client, connect({ port: upstreamPort, noDelay: true })));
    return relay;
  }

  /** How many turns the scripts took that ran meanwhile. */
  async during(work: () => Promise<void>): Promise<number> {
    const before = this.turns;
    await work();
    return this.turns - before;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(client: Socket, redis: Socket): void {
    let isAnswered = true;
    client.on('data', (bytes) => {
      if (isAnswered && bytes.includes('evalsha')) this.turns += 1;
      isAnswered = false;
      redis.write(bytes);
    });
    redis.on('data', (bytes) => {
      isAnswered = true;
      client.write(bytes);
    });
    for (const [socket, other] of [[client, redis] as const, [redis, client] as const]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => other.destroy());
    }
  }
}

describeWithRedis('round trips to Redis', () => {
  let database: TestDatabase;
  let server: TestRedis;
  let relay: CountingRelay;
  let replica: LimitReplica;

  beforeAll(async () => {
    database = await createDatabase();
    server = await startRedis();
    const url = new URL(server.url);
    relay = await CountingRelay.start(Number(url.port));
    url.port = String(relay.port);
    replica = await startLimitReplica(database.url, url.toString());
    await until(() => replica.redis.isAvailable);
  });
  afterAll(async () => {
    await replica.close();
    await relay.close();
    await server.close();
    await database.drop();
  });

  /** All that can be limited, limited. */
  const makeFullDemand = (keyId: string) =>
    makeDemand({
      keyId,
      requestLimit: 10_000,
      tokenLimit: 1_000_000,
      parallelLimit: 1,
      tokens: 10,
      budgets: [makeBudget(1_000_000_000_000n, { subject: keyId, estimateNanoUsd: 1_000n })],
    });

  async function request(keyId: string): Promise<void> {
    const outcome = await replica.reserve(makeFullDemand(keyId));
    if (outcome.kind !== 'admitted') throw new Error(`not admitted: ${outcome.kind}`);
    outcome.grant.settle({ tokens: 7, costNanoUsd: 700n });
  }

  it('are one a request, its end included, while requests follow one another', async () => {
    const keyId = randomUUID();
    await request(keyId);
    await delay(50);
    const turns = await relay.during(async () => {
      for (let index = 0; index < 200; index += 1) await request(keyId);
    });
    // A pause of this process, between two requests, sends an end by itself.
    expect(turns).toBeGreaterThanOrEqual(200);
    expect(turns).toBeLessThan(220);
  });

  it('end a request by itself where no other follows', async () => {
    const keyId = randomUUID();
    await request(keyId);
    const turns = await relay.during(() => delay(50));
    expect(turns).toBeLessThanOrEqual(1);
    const outcome = await replica.reserve(makeFullDemand(keyId));
    expect(outcome).toMatchObject({ kind: 'admitted', grant: { figures: { tokens: { used: 17 } } } });
  });
});
