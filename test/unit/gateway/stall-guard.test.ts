import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { watchForStall } from '../../../src/gateway/stall-guard.js';

const MEBIBYTE = 1024 * 1024;

describe('watchForStall', () => {
  /** An answer and the client it goes to. */
  async function open(): Promise<{ response: ServerResponse; client: Socket; close(): Promise<void> }> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => undefined);
    client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
    const close = async (): Promise<void> => {
      client.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    };
    return { response, client, close };
  }

  let opened: Awaited<ReturnType<typeof open>>;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened.close());

  it('tells of a client that takes nothing', async () => {
    const { response, client } = opened;
    client.pause();
    const stalled = new Promise<void>((resolve) => watchForStall(response, resolve, 50));
    response.write(Buffer.alloc(64 * MEBIBYTE));
    await stalled;
    expect(response.writableLength).toBeGreaterThan(0);
  });

  it('leaves an answer alone that is slow itself', async () => {
    const { response, client } = opened;
    client.resume();
    let stalls = 0;
    watchForStall(response, () => stalls++, 20);
    response.write('a beginning');
    await once(client, 'data');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(stalls).toBe(0);
  });

  it('leaves a client alone that takes little, but takes it', async () => {
    const { response, client } = opened;
    client.pause();
    let stalls = 0;
    watchForStall(response, () => stalls++, 1_000);
    response.end(Buffer.alloc(24 * MEBIBYTE));
    const sip = setInterval(() => {
      client.resume();
      setImmediate(() => client.pause());
    }, 10);
    await once(response, 'finish');
    clearInterval(sip);
    client.resume();
    expect(stalls).toBe(0);
  });
});
