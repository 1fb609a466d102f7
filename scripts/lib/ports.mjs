import { createServer } from 'node:net';

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '0.0.0.0', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

async function isAegis(port) {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/aegis/v1/health/live`, { signal: AbortSignal.timeout(1_000) });
    return answer.ok;
  } catch {
    return false;
  }
}

function howToFind(port) {
  if (process.platform === 'win32') return `netstat -ano | findstr :${port}`;
  if (process.platform === 'linux') return `ss -ltnp 'sport = :${port}'   (or: lsof -nP -iTCP:${port} -sTCP:LISTEN)`;
  return `lsof -nP -iTCP:${port} -sTCP:LISTEN`;
}

const LOWEST_PORT = 12_000;
/** A node of a Redis Cluster listens 10,000 above its port as well; from 32,768 on Linux gives ports to connections. */
const ABOVE_PORTS = 22_000;
const TRIES = 100;

/**
 * A port of the loopback that was free a moment ago, none of those that the system gives to connections by itself: what
 * starts anew finds it free still.
 */
export async function findFreePort() {
  for (let turn = 0; turn < TRIES; turn += 1) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (ABOVE_PORTS - LOWEST_PORT));
    if (await isFree(port)) return port;
  }
  throw new Error(`none of ${TRIES} ports from ${LOWEST_PORT} to ${ABOVE_PORTS} is free`);
}

/** A port number from the environment; exits with a message where it is none. */
export function readPort(name, fallback) {
  const text = process.env[name];
  if (!text) return fallback;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  console.error(`${name}=${text} is not a port; ports are whole numbers from 1 to 65535.`);
  process.exit(1);
}

/** Exits, saying what to do, where one of the ports (`{name: port}`, names of environment variables) is taken. */
export async function requireFreePorts(ports) {
  const taken = [];
  for (const [name, port] of Object.entries(ports)) {
    if (!(await isFree(port))) taken.push({ name, port });
  }
  if (taken.length === 0) return;
  for (const { name, port } of taken) {
    const who = (await isAegis(port)) ? ' An AEGIS already runs on it, perhaps another `npm run dev`.' : '';
    console.error(`Port ${port} (${name}) is in use.${who}\n  who it is:  ${howToFind(port)}`);
  }
  console.error(`Stop it, or use other ports:\n  ${await suggestPorts(ports)} npm run dev`);
  process.exit(1);
}

/** Settings that name free ports, the same distance from each of the wanted ones. */
async function suggestPorts(ports) {
  for (let distance = 1; distance < 1_000; distance++) {
    const others = Object.entries(ports).map(([name, port]) => [name, ((port + distance - 1_024) % 64_512) + 1_024]);
    if ((await Promise.all(others.map(([, port]) => isFree(port)))).every(Boolean)) {
      return others.map(([name, port]) => `${name}=${port}`).join(' ');
    }
  }
  return Object.keys(ports)
    .map((name) => `${name}=…`)
    .join(' ');
}
