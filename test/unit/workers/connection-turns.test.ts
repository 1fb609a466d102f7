import { once } from 'node:events';
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { endLongConnections, type Turn } from '../../../src/workers/connection-turns.js';

/** Sends requests one after the other on connections that are kept; how many were opened, and which answers closed one. */
async function send(count: number, turn: Turn): Promise<{ connections: number; closing: number[] }> {
  const connections = new Set<unknown>();
  const server = createServer(({ socket }, response) => {
    connections.add(socket);
    response.end('well');
  });
  endLongConnections(server, turn);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const closing: number[] = [];
  for (let sent = 1; sent <= count; sent++) {
    await new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, agent }, (answer) => {
        expect(answer.statusCode).toBe(200);
        if (answer.headers.connection === 'close') closing.push(sent);
        answer.resume().once('end', resolve);
      }).once('error', reject);
    });
  }
  agent.destroy();
  server.close();
  return { connections: connections.size, closing };
}

describe('the connections of a worker', () => {
  it('end after so many requests, and no request is lost', async () => {
    expect(await send(25, { mostRequests: 10, mostMs: 600_000 })).toEqual({ connections: 3, closing: [10, 20] });
  });

  it('end after so long, with the next answer', async () => {
    expect(await send(3, { mostRequests: 100, mostMs: 0 })).toEqual({ connections: 3, closing: [1, 2, 3] });
    expect(await send(3, { mostRequests: 100, mostMs: 600_000 })).toEqual({ connections: 1, closing: [] });
  });
});
