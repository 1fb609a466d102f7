/**
 * Credentials nobody issued, freshly made from each vendor's documented format. They are put together here and now, and
 * their beginnings are written in two pieces, so that no scanner of this repository takes this file for a leak.
 */
import { crc32 } from 'node:zlib';
import { BASE62, BASE64, DIGITS, HEX, LOWER, UPPER, WORD_OR_HYPHEN } from './random.mjs';

const BASE32 = `${UPPER}234567`;
const BECH32 = 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L';

/** A prefix in two pieces, and so many characters of an alphabet. */
const token = (first, second, alphabet, length) => (random) => first + second + random.text(alphabet, length);
const uuid = (random) => [8, 4, 4, 4, 12].map((length) => random.text(HEX, length)).join('-');
const base64url = (value) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Six base-62 digits of the CRC-32 end GitHub's and npm's tokens. */
function withChecksum(prefix, random) {
  const body = random.text(BASE62, 30);
  let rest = crc32(body);
  let digits = '';
  for (let place = 0; place < 6; place++) {
    digits = BASE62[rest % 62] + digits;
    rest = Math.floor(rest / 62);
  }
  return prefix + body + digits;
}

function pem(kind, beginning, random, headers = '') {
  const body = beginning + random.bytes(random.between(4, 20) * 48).toString('base64');
  const lines = body.match(/.{1,64}/g).join('\n');
  return `-----BEGIN ${kind}-----\n${headers}${lines}\n-----END ${kind}-----`;
}

const privateKey = (kind) => `${kind}${kind ? ' ' : ''}PRIVATE${' '}KEY`;

function jwt(random) {
  const header = { alg: random.pick(['HS256', 'RS256', 'ES256', 'EdDSA']), typ: 'JWT' };
  const payload = { sub: random.text(DIGITS, 10), name: random.text(LOWER, 8), iat: random.between(1.6e9, 1.8e9) };
  return `${base64url(header)}.${base64url(payload)}.${random.text(WORD_OR_HYPHEN, random.pick([43, 86]))}`;
}

function serviceAccount(random) {
  const secret = JSON.stringify(pem(privateKey(''), 'MIIEvQIBADANBgkqhkiG9w0BAQEF', random)).slice(1, -1);
  const text = JSON.stringify({
    type: 'service_account',
    project_id: `acme-${random.text(LOWER, 5)}`,
    private_key_id: random.text(HEX, 40),
    private_key: '@',
    client_email: 'robot@acme.iam.gserviceaccount.com',
  });
  return { text: text.replace('"@"', () => `"${secret}\\n"`), secret };
}

const PASSWORD = `${BASE62}${BASE62}!*-_.~`;
const databaseUrl = (scheme, rest) => (random) => {
  const password = random.text(BASE62, 2) + random.text(PASSWORD, random.between(8, 18)) + random.text(BASE62, 2);
  const beginning = `${scheme}://app_${random.text(LOWER, 4)}:`;
  return { text: `${beginning}${password}@db${random.between(1, 9)}.acme.test${rest}`, secret: password };
};

/**
 * `make` returns the text of a credential, or its text and the part of it that is secret. `label`: what must be said
 * beside it, because it has no mark of its own.
 */
export const CREDENTIALS = [
  ['aws-access-key-id', token('AK', 'IA', BASE32, 16)],
  ['aws-access-key-id-temporary', token('AS', 'IA', BASE32, 16)],
  ['aws-secret-access-key', token('', '', BASE64, 40), 'AWS secret access key'],
  ['aws-secret-access-key-env', token('', '', BASE64, 40), 'AWS_SECRET_ACCESS_KEY'],
  [
    'aws-secret-beside-id',
    (random) => {
      const secret = random.text(BASE64, 40);
      return { text: `AK${'IA'}${random.text(BASE32, 16)} / ${secret}`, secret };
    },
  ],
  ['aws-bedrock-key', token('ABSK', 'QmVkcm9ja', BASE64, 120)],
  ...['p', 'o', 'u', 's', 'r'].map((kind) => [`github-gh${kind}`, (random) => withChecksum(`gh${kind}_`, random)]),
  ['github-unchecked', token('gh', 'p_', BASE62, 36)],
  ['github-fine-grained', (random) => `github${'_pat_'}${random.text(BASE62, 22)}_${random.text(BASE62, 59)}`],
  ...[
    ['', ''],
    ['RSA', 'MIIEpAIBAAKCAQEA'],
    ['EC', 'MHcCAQEEI'],
    ['DSA', 'MIIBugIBAAKBgQ'],
    ['OPENSSH', 'b3BlbnNzaC1rZXktdjEAAAAABG5vbmU'],
    ['ENCRYPTED', 'MIIFHDBOBgkqhkiG9w0BBQ0w'],
  ].map(([kind, beginning]) => [
    `pem-${kind.toLowerCase() || 'pkcs8'}`,
    (random) => pem(privateKey(kind), beginning, random),
  ]),
  [
    'pem-rsa-with-headers',
    (random) => pem(privateKey('RSA'), '', random, 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n'),
  ],
  ['pem-pgp', (random) => pem(`PGP PRIVATE${' '}KEY BLOCK`, 'lQOYBF', random, 'Version: GnuPG v2\n\n')],
  ['jwt', jwt],
  ['gcp-service-account', serviceAccount],
  ['gcp-api-key', token('AI', 'za', WORD_OR_HYPHEN, 35)],
  ['gcp-gemini-key', token('AQ.', 'Ab8RN6', WORD_OR_HYPHEN, 44)],
  ['gcp-oauth-client-secret', token('GOCS', 'PX-', WORD_OR_HYPHEN, 28)],
  ['gcp-oauth-access-token', token('ya2', '9.', WORD_OR_HYPHEN, 180)],
  [
    'azure-storage-key',
    (random) => {
      const secret = `${random.text(BASE64, 86)}==`;
      return {
        text: `DefaultEndpointsProtocol=https;AccountName=acme;Account${'Key'}=${secret};EndpointSuffix=core.windows.net`,
        secret,
      };
    },
  ],
  [
    'azure-client-secret',
    (random) => `${random.text(BASE62, 3)}8${'Q~'}${random.text(`${WORD_OR_HYPHEN}.~`, 33)}${random.text(BASE62, 1)}`,
  ],
  ['azure-openai-key', token('', '', HEX, 32), 'Azure OpenAI key'],
  [
    'azure-openai-key-long',
    (random) => `${random.text(BASE62, 52)}JQQJ${'99'}${random.text(BASE62, 26)}`,
    'AZURE_OPENAI_API_KEY',
  ],
  [
    'azure-service-bus',
    (random) => {
      const secret = `${random.text(BASE64, 43)}=`;
      return {
        text: `Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccess${'Key'}=${secret}`,
        secret,
      };
    },
  ],
  [
    'openai-project',
    (random) =>
      `sk-${'proj-'}${random.text(WORD_OR_HYPHEN, 74)}T3Blbk${'FJ'}${random.text(WORD_OR_HYPHEN, 73)}${random.text(BASE62, 1)}`,
  ],
  [
    'openai-service',
    (random) =>
      `sk-${'svcacct-'}${random.text(WORD_OR_HYPHEN, 58)}T3Blbk${'FJ'}${random.text(WORD_OR_HYPHEN, 57)}${random.text(BASE62, 1)}`,
  ],
  [
    'openai-admin',
    (random) =>
      `sk-${'admin-'}${random.text(WORD_OR_HYPHEN, 58)}T3Blbk${'FJ'}${random.text(WORD_OR_HYPHEN, 57)}${random.text(BASE62, 1)}`,
  ],
  ['openai-legacy', (random) => `s${'k-'}${random.text(BASE62, 20)}T3Blbk${'FJ'}${random.text(BASE62, 20)}`],
  ['anthropic-api', (random) => `sk-${'ant-'}api03-${random.text(WORD_OR_HYPHEN, 93)}AA`],
  ['anthropic-admin', (random) => `sk-${'ant-'}admin01-${random.text(WORD_OR_HYPHEN, 93)}AA`],
  ['anthropic-oauth', (random) => `sk-${'ant-'}oat01-${random.text(WORD_OR_HYPHEN, 93)}AA`],
  [
    'slack-bot',
    (random) => `xox${'b-'}${random.text(DIGITS, 12)}-${random.text(DIGITS, 13)}-${random.text(BASE62, 24)}`,
  ],
  [
    'slack-user',
    (random) =>
      `xox${'p-'}${random.text(DIGITS, 12)}-${random.text(DIGITS, 12)}-${random.text(DIGITS, 13)}-${random.text(HEX, 32)}`,
  ],
  [
    'slack-app',
    (random) => `xap${'p-'}1-A${random.text(UPPER + DIGITS, 10)}-${random.text(DIGITS, 13)}-${random.text(HEX, 64)}`,
  ],
  ['slack-config', (random) => `xox${'e.'}xoxp-1-${random.text(BASE62, 163)}`],
  [
    'slack-webhook',
    (random) => {
      const place = UPPER + DIGITS;
      const secret = `services/T${random.text(place, 10)}/B${random.text(place, 10)}/${random.text(BASE62, 24)}`;
      return { text: `https://hooks.slack${'.com'}/${secret}`, secret };
    },
  ],
  ['stripe-secret', token('sk', '_live_', BASE62, 24)],
  ['stripe-secret-long', token('sk', '_live_', BASE62, 99)],
  ['stripe-restricted', token('rk', '_live_', BASE62, 99)],
  ['stripe-webhook', token('whs', 'ec_', BASE62, 32)],
  ['gitlab-personal', token('glp', 'at-', WORD_OR_HYPHEN.slice(0, 62), 20)],
  ['gitlab-routable', (random) => `glp${'at-'}${random.text(BASE62, 30)}.${'01'}.${random.text(LOWER + DIGITS, 9)}`],
  ['gitlab-deploy', token('gl', 'dt-', BASE62, 20)],
  ['gitlab-runner', token('gl', 'rt-', BASE62, 20)],
  ['npm', (random) => withChecksum(`np${'m_'}`, random)],
  ['pypi', token('pyp', 'i-AgEIcHlwaS5vcmc', WORD_OR_HYPHEN, 140)],
  ['postgres-url', databaseUrl('postgres', ':5432/app')],
  ['postgresql-url', databaseUrl('postgresql', '/app?sslmode=require')],
  ['mysql-url', databaseUrl('mysql', ':3306/app')],
  ['mongodb-url', databaseUrl('mongodb+srv', '/app')],
  ['redis-url', databaseUrl('rediss', ':6379/0')],
  ['amqp-url', databaseUrl('amqp', ':5672/vhost')],
  ['sqlserver-url', databaseUrl('mssql', ':1433/app')],
  [
    'ado-connection-string',
    (random) => {
      const secret = random.text(BASE62, 16);
      return { text: `Server=db.acme.test;Database=app;User Id=app;Pass${'word'}=${secret};`, secret };
    },
  ],
  ['huggingface', token('h', 'f_', UPPER + LOWER, 34)],
  ['groq', (random) => `gs${'k_'}${random.text(BASE62, 20)}WGdyb3FY${random.text(BASE62, 24)}`],
  ['xai', token('xa', 'i-', BASE62, 80)],
  ['perplexity', token('ppl', 'x-', BASE62, 48)],
  ['openrouter', token('sk-o', 'r-v1-', HEX, 64)],
  ['deepseek', token('s', 'k-', HEX, 32)],
  ['replicate', token('r', '8_', BASE62, 37)],
  ['nvidia', token('nva', 'pi-', WORD_OR_HYPHEN.slice(0, 62), 64)],
  ['pinecone', (random) => `pcs${'k_'}${random.text(BASE62, 6)}_${random.text(BASE62, 63)}`],
  ['langsmith', (random) => `lsv2${'_pt_'}${random.text(HEX, 32)}_${random.text(HEX, 10)}`],
  ['mistral', token('', '', BASE62, 32), 'MISTRAL_API_KEY'],
  ['cohere', token('', '', BASE62, 40), 'Cohere API key'],
  ['dockerhub', token('dckr', '_pat_', WORD_OR_HYPHEN.slice(0, 62), 27)],
  ['sendgrid', (random) => `S${'G.'}${random.text(BASE62, 22)}.${random.text(BASE62, 43)}`],
  ['twilio-api-key', token('S', 'K', HEX, 32)],
  ['twilio-auth-token', token('', '', HEX, 32), 'Twilio auth token'],
  ['mailgun', token('ke', 'y-', HEX, 32)],
  ['shopify', token('shpa', 't_', HEX, 32)],
  ['square', token('sq0', 'atp-', BASE62, 22)],
  ['plaid', (random) => `access-produc${'tion-'}${uuid(random)}`],
  ['vault-service', token('hv', 's.', BASE62, 95)],
  ['terraform-cloud', (random) => `${random.text(BASE62, 14)}.atlas${'v1.'}${random.text(BASE62, 67)}`],
  ['databricks', token('dap', 'i', HEX, 32)],
  ['digitalocean', token('dop', '_v1_', HEX, 64)],
  ['heroku', uuid, 'Heroku API key'],
  ['cloudflare', token('', '', BASE62, 40), 'CLOUDFLARE_API_TOKEN'],
  ['datadog', token('', '', HEX, 32), 'DD_API_KEY'],
  ['supabase', token('sb', 'p_', HEX, 40)],
  ['planetscale', token('pscal', 'e_pw_', BASE62, 43)],
  ['tailscale', (random) => `tske${'y-auth-'}${random.text(BASE62, 12)}CNTRL-${random.text(BASE62, 32)}`],
  ['telegram', (random) => `${random.text('123456789', 10)}:A${'A'}${random.text(BASE62, 33)}`],
  [
    'discord-bot',
    (random) => `${base64url(random.text('123456789', 18))}.${random.text(BASE62, 6)}.${random.text(BASE62, 38)}`,
  ],
  [
    'atlassian',
    (random) => `ATAT${'T3xFfGF0'}${random.text(WORD_OR_HYPHEN, 171)}=${random.text(HEX.toUpperCase(), 8)}`,
  ],
  ['linear', token('lin', '_api_', BASE62, 40)],
  ['notion', (random) => `nt${'n_'}${random.text(DIGITS, 11)}${random.text(BASE62, 35)}`],
  ['figma', token('fig', 'd_', BASE62, 40)],
  ['airtable', (random) => `pa${'t'}${random.text(BASE62, 14)}.${random.text(HEX, 64)}`],
  ['postman', (random) => `PMA${'K-'}${random.text(HEX, 24)}-${random.text(HEX, 34)}`],
  ['grafana', (random) => `gls${'a_'}${random.text(BASE62, 32)}_${random.text(HEX, 8)}`],
  ['new-relic', token('NRA', 'K-', UPPER + DIGITS, 27)],
  ['doppler', token('dp.', 'pt.', BASE62, 43)],
  ['pulumi', token('pu', 'l-', HEX, 40)],
  ['sonar', token('sq', 'u_', HEX, 40)],
  ['hubspot', (random) => `pat-${'na1-'}${uuid(random)}`],
  ['age', token('AGE-SECRET-', 'KEY-1', BECH32, 58)],
  ['crates-io', token('ci', 'o', BASE62, 32)],
  ['rubygems', token('rubygem', 's_', HEX, 48)],
].map(([type, make, label]) => ({ type, label: label ?? null, make: (random) => asPart(make(random)) }));

function asPart(made) {
  const { text, secret } = typeof made === 'string' ? { text: made, secret: made } : made;
  const at = text.indexOf(secret);
  return { before: text.slice(0, at), secret, after: text.slice(at + secret.length) };
}
