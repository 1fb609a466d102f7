/**
 * Portkey's gateway, plain proxying, where it is installed: AEGIS_BENCH_PORTKEY names the package's folder (or one that
 * has it in its node_modules). It is no dependency of this project.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../../scripts/lib/paths.mjs';
import { findFreePort } from '../../../scripts/lib/ports.mjs';
import { endChild, spawnUntil } from './processes.mjs';

const PACKAGE = path.join('node_modules', '@portkey-ai', 'gateway');
const START = path.join('build', 'start-server.js');

function findPortkey() {
  const named = process.env.AEGIS_BENCH_PORTKEY;
  const folders = named ? [named, path.join(named, PACKAGE)] : [path.join(root, PACKAGE)];
  return folders.find((folder) => existsSync(path.join(folder, START))) ?? null;
}

/** Null where it is not installed. */
export async function startPortkey(upstream) {
  const folder = findPortkey();
  if (folder === null) return null;
  const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const port = await findFreePort();
  const answers = async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => null)) !== null;
  const child = await spawnUntil(
    answers,
    process.execPath,
    [path.join(folder, START), `--port=${port}`, '--headless'],
    {
      cwd: folder,
      env: { PATH: process.env.PATH, NODE_ENV: 'production' },
      stdio: 'ignore',
    },
  );
  return {
    name: 'portkey',
    label: `Portkey ${version}`,
    pid: child.pid,
    settleMs: 0,
    target: (subject) => ({
      port,
      path: '/v1/chat/completions',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer bench',
        'x-portkey-provider': subject.providerType,
        'x-portkey-custom-host': `http://127.0.0.1:${upstream.port}/${subject.upstream}/v1`,
      },
      body: subject.body('bench').toString('base64'),
    }),
    stop: () => endChild(child),
  };
}
