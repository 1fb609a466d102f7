import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Tally } from './tally.mjs';

export const GIVEN_FILES = [
  'betterleaks-rule-cases.jsonl',
  'gitleaks-rule-cases.jsonl',
  'secretlint-snapshots.jsonl',
  'detect-secrets-tests.jsonl',
];

/**
 * Labels of the corpora whose cases no rule claims to find: public identifiers and keys, addresses of hosts, what has
 * neither a mark nor a documented format, and placeholders that stand for credentials in other scanners' own tests.
 */
const UNCLAIMED = new RegExp(
  [
    // Identifiers, public keys, hosts.
    '(?:adobe|asana|azure|canva|discord|messagebird|plaid|ramp|aikido|lark)-(?:client|app|tenant)-id',
    'mongodb-atlas-service-account-id|clickhouse-cloud-key-id|planetscale-id|plivo-auth-id|ebay-client-id',
    'flutterwave-public-key|mailgun-pub-key|mapbox-api-token|posthog-project-api-key|new-relic-user-api-id',
    'cloudinary-(?:cloud-name|api-key)|ovh-application-key|polymarket-(?:address|api-key)|sendbird-access-id',
    '(?:salesforce-instance|supabase-project|artifactory-jfrog)-url|(?:snowflake-account|tableau-server)-host',
    'tableau-personal-access-token-name|ip_public|aws:AWSAccountID|azure:Azure(?:Tenant|Client)Id|no-homedir',
    // No mark and no documented format, or a vendor there is no rule for.
    'polymarket-|infomaniak-|lighton-|coveralls-|datagov-|fullstory-|cfxre-|redirect-pizza|canadian-digital|lark-app-secret',
    'figma-personal-access-header|alibaba-sts-security|airtable-oauth|hashicorp-tf-password|pkcs12-file|curl-auth',
    'high_entropy|secret-alphabet|pattern:|example:|secp256k1',
    // Placeholders.
    'artifactory$|aws_key|tailscale:|basicauth:|basic_auth',
  ].join('|'),
);

/** Null where the shared folder is not on this machine. */
export function findGivenCases(environment) {
  const folder = path.join(environment.AEGIS_SHARED_DIR ?? path.resolve('..', 'shared'), 'secret-cases');
  return existsSync(folder) ? folder : null;
}

/** Other scanners' labelled texts: how many of the claimed labels' are found, and how many near misses too. */
export function measureGiven(find, folder, file) {
  const claimed = new Tally();
  const nearMisses = new Tally();
  for (const line of readFileSync(path.join(folder, file), 'utf8').trim().split('\n')) {
    const { kind, expect, text_base64: text } = JSON.parse(line);
    const label = expect[0] ?? 'unlabelled';
    const hit = find(Buffer.from(text, 'base64').toString()).length > 0;
    if (kind === 'negative') nearMisses.count(label, 'found', hit);
    else if (!UNCLAIMED.test(label)) claimed.count(label, 'missed', hit);
  }
  return { claimed, nearMisses };
}
