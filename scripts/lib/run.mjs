import { spawn } from 'node:child_process';
import { root } from './paths.mjs';

/**
 * Runs a program in the project's root, its output shown. Resolves with its exit code; a program that a signal ended
 * counts as 128 + the signal's number would in a shell: as failed.
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    // Ctrl-C reaches the child by itself: both are in the terminal's foreground group. This process waits for it.
    const wait = () => undefined;
    const forward = () => child.kill('SIGTERM');
    process.on('SIGINT', wait);
    process.on('SIGTERM', forward);
    child.once('error', reject);
    child.once('close', (code) => {
      process.off('SIGINT', wait);
      process.off('SIGTERM', forward);
      resolve(code ?? 1);
    });
  });
}
