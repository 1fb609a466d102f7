/**
 * `npm run services:up | services:down | services:destroy`: PostgreSQL, Redis, Prometheus and Grafana in containers,
 * for a machine that has Docker. `npm run dev` and `npm test` need none of it.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import './lib/node-version.mjs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';

const SERVICES = ['postgres', 'redis', 'prometheus', 'grafana'];

const ACTIONS = {
  up: ['up', '--detach', '--wait', ...SERVICES],
  down: ['down'],
  destroy: ['down', '--volumes', '--remove-orphans'],
};

const action = process.argv[2];
if (!Object.hasOwn(ACTIONS, action)) {
  console.error(`Say one of: ${Object.keys(ACTIONS).join(', ')}.`);
  process.exit(2);
}

function findDockerProblem() {
  const ask = (...parameters) => spawnSync('docker', parameters, { encoding: 'utf8' });
  const engine = ask('info', '--format', '{{.ServerVersion}}');
  if (engine.error) return 'Docker is not installed on this machine.';
  if (engine.status !== 0) return `Docker's engine does not answer: ${engine.stderr.trim() || 'no reason given'}`;
  if (ask('compose', 'version').status !== 0) return 'Docker is here, but its plugin `docker compose` is not.';
  return null;
}

const problem = findDockerProblem();
if (problem !== null) {
  console.error(
    problem +
      '\nWithout Docker: `npm run dev` brings its own PostgreSQL, and needs no Redis.' +
      '\nOr name your own: DATABASE_URL=postgres://… REDIS_URL=redis://… AEGIS_KEY_PEPPER=… npm run dev',
  );
  process.exit(1);
}

const envFile = inRoot('.env');
if (action === 'up' && !existsSync(envFile)) {
  const secret = () => randomBytes(24).toString('hex');
  const text = readFileSync(inRoot('.env.example'), 'utf8').replace(
    /^(POSTGRES_PASSWORD|GRAFANA_ADMIN_PASSWORD|AEGIS_KEY_PEPPER)=$/gm,
    (_, name) => `${name}=${secret()}`,
  );
  writeFileSync(envFile, text, { mode: 0o600 });
  console.log('Made .env with fresh passwords.');
}

// Compose checks the whole file, though only the services above are touched: the gateway's own secrets count too.
const code = await run('docker', ['compose', ...ACTIONS[action]]);
if (code === 0 && action === 'up') {
  const { POSTGRES_PASSWORD } = parseEnv(readFileSync(envFile, 'utf8'));
  console.log(
    [
      '',
      'PostgreSQL, Redis, Prometheus (http://127.0.0.1:9091) and Grafana (http://127.0.0.1:3000, user admin) are up.',
      'The gateway on them:',
      `  DATABASE_URL=postgres://aegis:${POSTGRES_PASSWORD}@127.0.0.1:5432/aegis REDIS_URL=redis://127.0.0.1:6379 npm run dev`,
    ].join('\n'),
  );
}
process.exitCode = code;
