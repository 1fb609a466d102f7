import { createServer } from 'node:net';

const LOWEST_PORT = 12_000;
/** A node of a Redis Cluster listens 10,000 above its port as well; from 32,768 on Linux gives ports to connections. */
const ABOVE_PORTS = 22_000;
const TRIES = 100;

/**
 * A free port of the loopback that Linux gives to no connection by itself: a server that ends and starts anew finds it free
 * still, however many connections were made meanwhile.
 */
export async function findFreePort(): Promise<number> {
  for (let turn = 0; turn < TRIES; turn += 1) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (ABOVE_PORTS - LOWEST_PORT));
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${TRIES} ports from ${LOWEST_PORT} to ${ABOVE_PORTS} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
