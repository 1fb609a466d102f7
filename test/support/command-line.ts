import { spawn } from 'node:child_process';
import path from 'node:path';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const root = process.cwd();

/** The built command line, as `npm run keygen` runs it. */
export function runCli(parameters: string[], environment: Record<string, string>): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(root, 'dist', 'src', 'cli', 'main.js'), ...parameters], {
      env: { PATH: process.env.PATH ?? '', AEGIS_CONFIG_DIR: path.join(root, 'config'), ...environment },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
