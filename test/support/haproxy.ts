import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { findFreePort } from './ports.js';

const program = process.env.AEGIS_TEST_HAPROXY ?? '';
const CONFIG = path.resolve(__dirname, '..', '..', 'deploy', 'compose', 'haproxy.cfg');
const DEADLINE_MS = 20_000;

/** A suite that needs HAProxy's own program. A machine without it names the suite as not run, and CI fails there. */
export function describeWithHaproxy(name: string, suite: () => void): void {
  (program === '' ? describe.skip : describe)(program === '' ? `${name} (no haproxy on the PATH)` : name, suite);
}

/** What HAProxy itself says of the configuration as it is shipped; throws where it refuses it. */
export function checkShippedConfig(): string {
  return execFileSync(program, ['-c', '-f', CONFIG], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export interface TestBalancer {
  readonly url: string;
  /** Resolves once exactly these gateways get requests, by their names. */
  untilUp(...names: string[]): Promise<void>;
  /** Requests that a gateway has of it at this moment. */
  open(name: string): Promise<number>;
  /** Everything it has logged: a line a request. */
  output(): string;
  close(): Promise<void>;
}

/** The shipped configuration on the loopback interface, with the gateways on the given ports: gateway-1 and so on. */
export async function startBalancer(
  ports: readonly number[],
  change: (config: string) => string = (config) => config,
): Promise<TestBalancer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'aegis-haproxy-'));
  const [clients, metrics] = [await findFreePort(), await findFreePort()];
  let config = readFileSync(CONFIG, 'utf8')
    .replace('bind :8080', `bind 127.0.0.1:${clients}`)
    .replace('bind :8404', `bind 127.0.0.1:${metrics}`)
    .replace(' resolvers docker init-addr libc,none', '');
  for (const [index, port] of ports.entries()) {
    config = config.replace(`gateway-${index + 1}:8080`, `127.0.0.1:${port}`);
  }
  const file = path.join(folder, 'haproxy.cfg');
  await writeFile(file, change(config));
  // In the foreground, one process.
  const server = spawn(program, ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk) => (said += String(chunk)));

  const scrape = async (): Promise<string> => (await request(`http://127.0.0.1:${metrics}/metrics`)).body.text();
  const findUp = async (): Promise<string[]> => {
    const text = await scrape();
    return [...text.matchAll(/^haproxy_server_status\{proxy="gateways",server="([^"]+)",state="UP"\} 1$/gm)]
      .map(([, name = '']) => name)
      .sort();
  };
  return {
    url: `http://127.0.0.1:${clients}`,
    untilUp: async (...names) => {
      let up: string[] = [];
      for (const deadline = Date.now() + DEADLINE_MS; Date.now() < deadline; await delay(50)) {
        up = await findUp().catch(() => []);
        if (up.join() === names.join()) return;
        if (server.exitCode !== null) break;
      }
      throw new Error(`HAProxy has ${up.join() || 'nobody'} up, not ${names.join()}:\n${said}`);
    },
    open: async (name) => {
      const pattern = new RegExp(
        `^haproxy_server_current_sessions\\{proxy="gateways",server="${name}"\\} (\\d+)$`,
        'm',
      );
      return Number(pattern.exec(await scrape())?.[1]);
    },
    output: () => said,
    close: async () => {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
