import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const FOLDER = join(process.cwd(), 'test', 'clients');
const DEADLINE_MS = 30_000;

/** Whether the client libraries are there; `npm test` and `npm run test:e2e` install them. */
export function clientsAreInstalled(): boolean {
  return existsSync(join(FOLDER, 'node_modules', '.package-lock.json'));
}

interface Waiting {
  readonly resolve: (line: string) => void;
  readonly reject: (reason: Error) => void;
}

/** One of the applications in `test/clients`, running: it gets tasks by its input, one after another. */
export class ClientProcess {
  private errors = '';
  private waiting: Waiting | null = null;

  private constructor(
    private readonly program: string,
    private readonly child: ChildProcess,
  ) {
    child.stderr?.on('data', (text) => {
      this.errors += text;
    });
    child.stdin?.on('error', () => undefined);
    if (child.stdout) createInterface(child.stdout).on('line', (line) => this.waiting?.resolve(line));
    child.once('close', (code) => this.waiting?.reject(this.failure(`ended with ${code}`)));
  }

  static start(program: string, gateway: { readonly url: string; readonly key: string }): ClientProcess {
    const child = spawn(process.execPath, [join(FOLDER, `${program}.mjs`)], {
      env: { PATH: process.env.PATH ?? '', OPENAI_BASE_URL: `${gateway.url}/v1`, OPENAI_API_KEY: gateway.key },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return new ClientProcess(program, child);
  }

  /** What the application made of the task. Throws with all it wrote where it failed or took more than 30 seconds. */
  async perform(task: string, parameters: object): Promise<unknown> {
    if (this.child.exitCode !== null) throw this.failure(`ended with ${this.child.exitCode}`);
    this.errors = '';
    let deadline: NodeJS.Timeout | undefined;
    const line = await new Promise<string>((resolve, reject) => {
      this.waiting = { resolve, reject };
      deadline = setTimeout(() => {
        this.child.kill('SIGKILL');
        reject(this.failure(`did not answer within ${DEADLINE_MS / 1000} s`));
      }, DEADLINE_MS);
      this.child.stdin?.write(`${JSON.stringify({ task, ...parameters })}\n`);
    }).finally(() => {
      this.waiting = null;
      clearTimeout(deadline);
    });
    const answer = JSON.parse(line) as { readonly result?: unknown; readonly error?: string };
    if (answer.error !== undefined) throw this.failure(`failed:\n${answer.error}`);
    return answer.result;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGKILL');
    await closed;
  }

  private failure(what: string): Error {
    return new Error(`test/clients/${this.program}.mjs ${what}\n${this.errors}`);
  }
}
