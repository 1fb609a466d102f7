import { spawn } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';

/** The operating system's account that a program runs as. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

export interface ProgramResult {
  /** Null where a signal ended it. */
  readonly code: number | null;
  /** Standard output and error, in order. */
  readonly output: string;
}

/** PostgreSQL refuses to run as root; these exist on common systems, in order of preference. */
const UNPRIVILEGED_ACCOUNTS = ['postgres', 'nobody'];

/**
 * Who the embedded server runs as: null = this process's own user. Where this process is root, whoever owns
 * `dataFolder` already, else the first unprivileged account of the system. Throws where there is none.
 */
export async function getServerAccount(dataFolder: string): Promise<ServerAccount | null> {
  if (process.getuid?.() !== 0) return null;
  const owner = await stat(dataFolder).catch(() => null);
  if (owner !== null && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const accounts = parseAccounts(await readFile('/etc/passwd', 'utf8').catch(() => ''));
  for (const name of UNPRIVILEGED_ACCOUNTS) {
    const account = accounts.get(name);
    if (account !== undefined) return account;
  }
  throw new Error(
    'PostgreSQL does not run as root, and this system has no account named postgres or nobody. Run as another user, or set DATABASE_URL.',
  );
}

function parseAccounts(passwd: string): ReadonlyMap<string, ServerAccount> {
  const accounts = new Map<string, ServerAccount>();
  for (const line of passwd.split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name && Number(uid) > 0 && Number(gid) > 0) accounts.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  return accounts;
}

/** Runs a program to its end, as `account` where one is given. Rejects where it cannot be started. */
export function runProgram(
  command: string,
  parameters: readonly string[],
  options: { readonly account: ServerAccount | null; readonly workingFolder: string },
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, {
      ...options.account,
      cwd: options.workingFolder,
      env: withoutPostgresSettings(process.env),
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own session: Ctrl-C in a terminal must reach the gateway first, which then stops the server in order.
      detached: true,
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', reject);
    // Not `close`: a server it leaves running may keep the pipes open.
    child.once('exit', (code) => {
      setImmediate(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        resolve({ code, output });
      });
    });
  });
}

/** A user's PGPORT, PGDATA or PGSSLMODE is meant for another server. */
function withoutPostgresSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const rest = Object.entries(environment).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(rest), LC_ALL: 'C' };
}
