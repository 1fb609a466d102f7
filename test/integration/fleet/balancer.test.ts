import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { checkShippedConfig, describeWithHaproxy, startBalancer, type TestBalancer } from '../../support/haproxy.js';

const READY = '/aegis/v1/health/ready';

/** What stands where a gateway would: it says whether it is ready, and each test what it does with a request. */
class Replica {
  isReady = true;
  taken = 0;
  private readonly server: Server;
  onRequest: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => {
    response.end(this.name);
  };

  constructor(readonly name: string) {
    this.server = createServer((incoming, response) => {
      if (incoming.url === READY) {
        response.statusCode = this.isReady ? 200 : 503;
        response.end();
        return;
      }
      this.taken++;
      this.onRequest(incoming, response);
    });
  }

  listen(port = 0): Promise<number> {
    return new Promise((resolve) => {
      this.server.listen(port, '127.0.0.1', () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

describeWithHaproxy('the balancer of deploy/compose/fleet.yml', () => {
  let replicas: Replica[];
  let balancer: TestBalancer;
  let agent: Agent;

  const ask = async (): Promise<{ status: number; body: string; headers: Record<string, unknown> }> => {
    const answer = await request(`${balancer.url}/v1/chat/completions`, {
      method: 'POST',
      body: '{}',
      dispatcher: agent,
    });
    return { status: answer.statusCode, body: await answer.body.text(), headers: answer.headers };
  };
  const replica = (index: number): Replica => {
    const found = replicas[index];
    if (found === undefined) throw new Error(`there is no replica ${index}`);
    return found;
  };

  beforeEach(async () => {
    replicas = ['gateway-1', 'gateway-2', 'gateway-3'].map((name) => new Replica(name));
    const ports: number[] = [];
    for (const each of replicas) ports.push(await each.listen());
    agent = new Agent();
    balancer = await startBalancer(ports);
    await balancer.untilUp('gateway-1', 'gateway-2', 'gateway-3');
  });

  afterEach(async () => {
    await agent.destroy();
    await balancer.close();
    await Promise.all(replicas.map((each) => each.close()));
  });

  it('has a configuration that HAProxy takes', () => {
    expect(checkShippedConfig()).toContain('Configuration file is valid');
  });

  it('spreads requests, and says who asked, whatever the client says', async () => {
    const seen: unknown[] = [];
    for (const each of replicas) {
      each.onRequest = (incoming, response) => {
        seen.push(incoming.headers['x-forwarded-for']);
        response.end(each.name);
      };
    }
    const names = new Set<string>();
    for (let turn = 0; turn < 9; turn++) {
      const answer = await request(balancer.url, { headers: { 'x-forwarded-for': '203.0.113.7' }, dispatcher: agent });
      names.add(await answer.body.text());
    }
    expect([...names].sort()).toEqual(['gateway-1', 'gateway-2', 'gateway-3']);
    expect(new Set(seen)).toEqual(new Set(['127.0.0.1']));
  });

  it('passes each event of a stream on before the next is there', async () => {
    let writeNext: (() => void) | undefined;
    for (const each of replicas) {
      each.onRequest = (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: 1\n\n');
        writeNext = () => response.end('data: 2\n\n');
      };
    }
    const { body } = await request(balancer.url, { dispatcher: agent });
    const events = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    expect(String((await events.next()).value)).toBe('data: 1\n\n');
    writeNext?.();
    expect(String((await events.next()).value)).toBe('data: 2\n\n');
    expect((await events.next()).done).toBe(true);
  });

  it('sends nothing new to a gateway that is not ready, and lets what runs there end', async () => {
    const held: ServerResponse[] = [];
    replica(0).onRequest = (_request, response) => void held.push(response);
    const first: ReturnType<typeof ask>[] = [];
    for (; held.length === 0; await delay(10)) first.push(ask());
    replica(0).isReady = false;
    await balancer.untilUp('gateway-2', 'gateway-3');
    const { taken } = replica(0);
    const later = await Promise.all(Array.from({ length: 12 }, ask));
    expect(new Set(later.map(({ status, body }) => `${status} ${body}`))).toEqual(
      new Set(['200 gateway-2', '200 gateway-3']),
    );
    expect(replica(0).taken).toBe(taken);
    for (const response of held) response.end('at last');
    expect((await Promise.all(first)).map(({ body }) => body)).toContain('at last');
  });

  it('asks another gateway where one takes no connection, so that no request fails', async () => {
    // Gone before any check could notice.
    await replica(1).close();
    const answers = await Promise.all(Array.from({ length: 30 }, ask));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(replica(0).taken + replica(2).taken).toBe(30);
  });

  it('never sends again what a gateway has been sent', async () => {
    for (const each of replicas) each.onRequest = (incoming) => incoming.socket.destroy();
    const { status, body, headers } = await ask();
    expect(status).toBe(502);
    expect(JSON.parse(body)).toEqual({
      error: {
        message: expect.any(String),
        type: 'server_error',
        param: null,
        code: 'dependency_unavailable',
        request_id: headers['x-request-id'],
      },
    });
    expect(replicas.reduce((sum, { taken }) => sum + taken, 0)).toBe(1);
  });

  it('says in the form of the gateway that none is ready', async () => {
    for (const each of replicas) each.isReady = false;
    await balancer.untilUp();
    const { status, body, headers } = await ask();
    expect(status).toBe(503);
    expect(headers).toMatchObject({ 'retry-after': '1', 'content-type': 'application/json' });
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'dependency_unavailable', param: null } });
    expect(replicas.map(({ taken }) => taken)).toEqual([0, 0, 0]);
  });
});
