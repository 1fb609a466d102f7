import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse, stringify } from 'yaml';
import { isObject } from '../../src/domain/json.js';

/** A built gateway in a process of its own, as production runs it. */
export interface GatewayProcess {
  readonly child: ChildProcess;
  /** Everything it wrote, both streams. */
  output(): string;
  /** The exit code; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  /** Resolves with the first log entry that has this message. */
  logged(message: string): Promise<Record<string, unknown>>;
}

/**
 * Runs `dist/src/main.js`; `npm test` builds it first. `through`: a command that becomes the process, with its
 * arguments, e.g. `['prlimit', '--nofile=256']`. `checkout`: whose build it is.
 */
export function spawnGateway(
  environment: Record<string, string>,
  through: readonly string[] = [],
  checkout = process.cwd(),
): GatewayProcess {
  serveHoweverLate(environment.AEGIS_CONFIG_DIR);
  const command = [...through, process.execPath, join(checkout, 'dist', 'src', 'main.js')];
  const child = spawn(command[0] ?? '', command.slice(1), {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...ownDataFolder(environment), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const entries: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  child.stderr.on('data', (text) => {
    output += text;
  });
  createInterface(child.stdout).on('line', (line) => {
    output += `${line}\n`;
    if (line.startsWith('{')) entries.push(JSON.parse(line) as Record<string, unknown>);
    for (const wake of waiting) wake();
  });
  const exited = once(child, 'close').then(([code]) => {
    for (const wake of waiting) wake();
    return code as number | null;
  });

  const logged = async (message: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const entry = entries.find(({ msg }) => msg === message);
      if (entry) return entry;
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`The gateway ended:\n${output}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
      });
    }
  };
  return { child, output: () => output, exited, logged };
}

/**
 * The machine is shared with the test and with the clients it plays: how late the gateway is says nothing of what it has
 * to do. A test that is about that says so in its configuration.
 */
function serveHoweverLate(folder: string | undefined): void {
  // A checkout may lie there, too, with the configuration that is shipped.
  if (!folder?.startsWith(tmpdir()) || folder.startsWith(process.cwd())) return;
  const file = join(folder, 'gateway.yaml');
  try {
    if (!lstatSync(file).isFile()) return;
    const config: unknown = parse(readFileSync(file, 'utf8'));
    if (!isObject(config)) return;
    const server = isObject(config.server) ? config.server : {};
    if ('overload' in server) return;
    writeFileSync(file, stringify({ ...config, server: { ...server, overload: { target_delay: '0s' } } }));
  } catch {
    // No configuration, or a broken one: that is what the test is about.
  }
}

/** Beside its configuration: what one test leaves behind must not be taken over by another's gateway. */
function ownDataFolder({ AEGIS_CONFIG_DIR }: Record<string, string>): Record<string, string> {
  return AEGIS_CONFIG_DIR === undefined ? {} : { AEGIS_DATA_DIR: join(AEGIS_CONFIG_DIR, 'data') };
}
