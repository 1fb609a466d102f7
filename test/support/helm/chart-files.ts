import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CONFIG_FILE_NAMES } from '../../../src/config/files.js';

/** Where the chart mounts its Secret. */
export const SECRETS_FOLDER = '/run/secrets/aegis';

/** What the chart reads from files of its Secret, where `config/production` reads the environment. */
export const SECRET_NAMES = [
  'DATABASE_URL',
  'REDIS_URL',
  'AEGIS_KEY_PEPPER',
  'OPENAI_API_KEY',
  'ANTHROPIC_API_KEY',
  'AZURE_OPENAI_KEY',
  'VLLM_API_KEY',
] as const;

/** At a schema that is not there. */
const EDITOR_HINT = /^# yaml-language-server:.*\n#\n/;
const BODY_LIMIT = '  body_limit: 20MiB\n';

/** Values of `gateway.yaml` that come from the chart's: some of them make the pod's own limits, too. */
const SET_BY_CHART: Readonly<Record<string, string>> = {
  [BODY_LIMIT]: `${BODY_LIMIT}  # The chart's trustedProxies stand here.\n  trusted_proxies: []\n`,
  'shutdown_grace: 5s': `shutdown_grace: "\${AEGIS_SHUTDOWN_GRACE:5s}"`,
  'graceful_shutdown: 30s': `graceful_shutdown: "\${AEGIS_GRACEFUL_SHUTDOWN:30s}"`,
};

/** The balancer of `deploy/compose/fleet.yml`, which says who asked. */
export const BALANCER_ADDRESS = '172.30.213.2';

/** The chart's copies of files that lie elsewhere in the repository, by their place in the chart, as they have to be. */
export function buildChartFiles(root: string): Map<string, string> {
  const read = (...place: string[]): string => readFileSync(path.join(root, ...place), 'utf8');
  const files = CONFIG_FILE_NAMES.map((name) => [`config/${name}`, adapt(read('config', 'production', name))] as const);
  return new Map([...files, ['rules/alerts.yml', read('deploy', 'prometheus', 'alerts.yml')]]);
}

/** `config/production/gateway.yaml` for the gateways of `deploy/compose/fleet.yml`. */
export function buildFleetGateway(root: string): string {
  const text = readFileSync(path.join(root, 'config', 'production', 'gateway.yaml'), 'utf8');
  const trust = `  # The balancer's address: fleet.yml\n  trusted_proxies: [${BALANCER_ADDRESS}]\n`;
  return text.replace(EDITOR_HINT, '').replace(BODY_LIMIT, `${BODY_LIMIT}${trust}`);
}

function adapt(text: string): string {
  let adapted = text.replace(EDITOR_HINT, '');
  for (const name of SECRET_NAMES) adapted = adapted.replaceAll(`\${${name}:}`, `\${file:${SECRETS_FOLDER}/${name}}`);
  for (const [from, to] of Object.entries(SET_BY_CHART)) adapted = adapted.replace(from, to);
  return adapted;
}
