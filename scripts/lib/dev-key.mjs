import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inRoot, root } from './paths.mjs';

async function readKept(file) {
  try {
    const { key } = JSON.parse(await readFile(file, 'utf8'));
    return typeof key === 'string' ? key : null;
  } catch {
    return null;
  }
}

/** Runs `aegis keygen` and returns what it printed. */
function generateKey(environment) {
  return new Promise((resolve, reject) => {
    const parameters = ['keygen', '--org', 'local', '--team', 'dev', '--name', 'npm-run-dev', '--env', 'dev', '--json'];
    const child = spawn(process.execPath, ['--enable-source-maps', inRoot('dist/src/cli/main.js'), ...parameters], {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(output)) : reject(new Error('No key could be made; the reason stands above.')),
    );
  });
}

/**
 * The key of this machine's developer: made once and kept in `dev-key.json` of the data folder. Whether the kept one
 * still counts, the gateway itself is asked: the database may have been reset, or be another one.
 */
export async function getDevKey(folder, gatewayUrl, environment) {
  const file = path.join(folder, 'dev-key.json');
  const kept = await readKept(file);
  if (kept !== null) {
    const answer = await fetch(`${gatewayUrl}/v1/models`, { headers: { authorization: `Bearer ${kept}` } });
    await answer.body?.cancel();
    if (answer.status !== 401) return kept;
  }
  const made = await generateKey(environment);
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
  return made.key;
}
