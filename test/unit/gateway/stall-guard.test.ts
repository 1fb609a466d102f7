import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { StallGuard } from '../../../src/gateway/stall-guard.js';

const MEBIBYTE = 1024 * 1024;

describe('StallGuard', () => {
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

  it('tells of a client that takes nothing', async () => {
    const { response, client, close } = await open();
    client.pause();
    const stalled = new Promise<void>((resolve) => {
      const guard = new StallGuard(response, resolve, 20);
      response.write(Buffer.alloc(64 * MEBIBYTE));
      guard.watch();
    });
    await stalled;
    await close();
  });

  it('leaves a client alone that takes what it gets', async () => {
    const { response, client, close } = await open();
    client.resume();
    let stalls = 0;
    const guard = new StallGuard(response, () => stalls++, 200);
    response.write(Buffer.alloc(8 * MEBIBYTE));
    guard.watch();
    await once(response, 'drain');
    guard.stop();
    expect(stalls).toBe(0);
    await close();
  });
});
