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

/** A value of `gateway.yaml` that the chart must know as well, as it makes the pod's own limits of it. */
const SET_BY_CHART: Readonly<Record<string, string>> = {
  'shutdown_grace: 5s': `shutdown_grace: "\${AEGIS_SHUTDOWN_GRACE:5s}"`,
  'graceful_shutdown: 30s': `graceful_shutdown: "\${AEGIS_GRACEFUL_SHUTDOWN:30s}"`,
};

/** The chart's copies of files that lie elsewhere in the repository, by their place in the chart, as they have to be. */
export function buildChartFiles(root: string): Map<string, string> {
  const read = (...place: string[]): string => readFileSync(path.join(root, ...place), 'utf8');
  const files = CONFIG_FILE_NAMES.map((name) => [`config/${name}`, adapt(read('config', 'production', name))] as const);
  return new Map([...files, ['rules/alerts.yml', read('deploy', 'prometheus', 'alerts.yml')]]);
}

function adapt(text: string): string {
  // An editor's hint at a schema that is not there.
  let adapted = text.replace(/^# yaml-language-server:.*\n#\n/, '');
  for (const name of SECRET_NAMES) adapted = adapted.replaceAll(`\${${name}:}`, `\${file:${SECRETS_FOLDER}/${name}}`);
  for (const [from, to] of Object.entries(SET_BY_CHART)) adapted = adapted.replace(from, to);
  return adapted;
}
