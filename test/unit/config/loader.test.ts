// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${…} is the configuration's own syntax.
import fc from 'fast-check';
import { CONFIG_FILE_NAMES } from '../../../src/config/files.js';
import { CertificateAuthority } from '../../support/certificates.js';
import { load, loaded, problemsOf, shipped, type Texts, VALID } from './support.js';

const target = (more = '') => `{provider: house, model: llama, classification_ceiling: INTERNAL${more}}`;
const model = (body: string) => `models:\n  fast:\n${body}`;
const provider = (body: string) => `providers:\n  house: {type: vllm, base_url: "http://h/v1"}\n  other: {${body}}\n`;
const other = (body: string, environment = {}) =>
  loaded({ 'providers.yaml': provider(body) }, { environment }).snapshot.providers.get('other');
const PEPPER = 'p'.repeat(32);

describe('a right configuration', () => {
  it('becomes a snapshot with every default in place', () => {
    const { snapshot, warnings, pendingRestart } = loaded();
    expect(snapshot.gateway.server).toMatchObject({ host: '0.0.0.0', port: 8080, bodyLimitBytes: 20_971_520 });
    expect(snapshot.gateway.routing.deadlineMs).toBe(120_000);
    expect(snapshot.loadedAtMs).toBe(1_700_000_000_000);
    expect(snapshot.version).toMatch(/^[0-9a-f]{12}$/);
    expect(warnings).toEqual([]);
    expect(pendingRestart).toEqual([]);
  });

  it('has a version that changes with the text of any file, and with nothing else', () => {
    const { version } = loaded().snapshot;
    expect(loaded({}, { environment: { ANY: 'thing' } }).snapshot.version).toBe(version);
    const others = CONFIG_FILE_NAMES.map((name) => loaded({ [name]: `${VALID[name]}# note\n` }).snapshot.version);
    expect(new Set([version, ...others]).size).toBe(5);
  });

  it('accepts every key of the excerpt that operators start from', () => {
    const gateway = `
server:    {host: 0.0.0.0, port: "\${GATEWAY_PORT:8080}", body_limit: 20MiB, graceful_shutdown: 30s, trusted_proxies: [], workers: 1}
database:  {url: "\${DATABASE_URL:}"}
redis:     {url: "\${REDIS_URL:}"}
telemetry: {metrics_port: "\${METRICS_PORT:9090}", log_level: info, log_format: json, otlp_endpoint: "\${OTLP_ENDPOINT:}"}
auth:      {pepper: "\${AEGIS_KEY_PEPPER:}", cache_ttl: 10s, redis_ttl: 5m, stale_grace: 15m}
limits:    {on_store_failure: local}
cost:      {on_missing_pricing: deny}
routing:   {deadline: 120s, max_attempts: 4, first_content_timeout: 60s, idle_timeout: 30s}
`;
    const providers = `
providers:
  openai:       {type: openai, base_url: https://api.openai.com/v1, api_key: "\${OPENAI_API_KEY:}", timeout: 60s, max_concurrent: 200, headers: {}}
  anthropic:    {type: anthropic, base_url: https://api.anthropic.com/v1, api_key: "\${ANTHROPIC_API_KEY:}"}
  azure_openai: {type: azure_openai, base_url: "https://\${AZURE_OPENAI_ENDPOINT:}.openai.azure.com", api_key: "\${AZURE_OPENAI_KEY:}", api_version: "2024-10-21"}
  internal_vllm: {type: vllm, base_url: "http://vllm.internal:8000/v1"}
  house: {type: simulator}
`;
    const models = `
models:
  aegis-fast:
    display_name: AEGIS Fast
    strategy: priority            # priority | weighted | least_latency
    primary:  {provider: anthropic, model: claude-haiku-4-5, classification_ceiling: INTERNAL}
    fallback:
      - {provider: openai, model: gpt-4o-mini, classification_ceiling: INTERNAL}
      - {provider: azure_openai, model: gpt-4o-mini, deployment: prod-eastus, classification_ceiling: CONFIDENTIAL}
`;
    const { snapshot } = loaded({ 'gateway.yaml': gateway, 'providers.yaml': providers, 'models.yaml': models });
    expect([...snapshot.providers.values()].map(({ name, configured }) => `${name} ${configured}`)).toEqual([
      'openai false',
      'anthropic false',
      'azure_openai false',
      'internal_vllm true',
      'house true',
    ]);
    const route = snapshot.models.get('aegis-fast');
    expect(route?.fallbacks.map(({ id }) => id)).toEqual([
      'openai/gpt-4o-mini',
      'azure_openai/gpt-4o-mini/prod-eastus',
    ]);
  });

  it('keeps aliases in the order of the file, numbers among them', () => {
    const models = `models:\n${['zeta', '"10"', 'alpha', '"2"'].map((alias) => `  ${alias}: {primary: ${target()}}`).join('\n')}`;
    expect([...loaded({ 'models.yaml': models }).snapshot.models.keys()]).toEqual(['zeta', '10', 'alpha', '2']);
  });

  it('takes a list of primaries with weights', () => {
    const models = model(
      `    strategy: weighted\n    primary: [${target(', weight: 3')}, {provider: house, model: other, classification_ceiling: PUBLIC}]`,
    );
    const pricing = `${VALID['pricing.yaml']}  - {provider: house, model: other, input: 1, output: 1}\n`;
    const route = loaded({ 'models.yaml': models, 'pricing.yaml': pricing }).snapshot.models.get('fast');
    expect(route).toMatchObject({ strategy: 'weighted', displayName: 'fast' });
    expect(route?.primaries.map(({ weight }) => weight)).toEqual([3, 1]);
  });

  it('follows anchors', () => {
    const models = `models:\n  fast: {primary: &t ${target()}}\n  slow: {primary: *t}\n`;
    expect([...loaded({ 'models.yaml': models }).snapshot.models.keys()]).toEqual(['fast', 'slow']);
  });

  it('keeps prices to the last digit, and takes what is left out to cost as much as input', () => {
    const pricing =
      'version: v1\nprices: [{provider: house, model: llama, input: 0.100000001, cached_input: "0.3", output: 0.60}]';
    expect(loaded({ 'pricing.yaml': pricing }).snapshot.pricing.prices.get('house/llama')).toEqual({
      inputNanoUsd: 100_000_001n,
      cachedInputNanoUsd: 300_000_000n,
      cacheWriteNanoUsd: 100_000_001n,
      cacheWrite1hNanoUsd: 100_000_001n,
      outputNanoUsd: 600_000_000n,
      reasoningNanoUsd: 600_000_000n,
      longContext: [],
      serviceTiers: new Map(),
      asOfMs: null,
    });
  });

  it('cannot be changed by anyone, maps included', () => {
    const { snapshot } = loaded();
    const everything: unknown[] = [snapshot];
    for (const value of everything) {
      if (typeof value !== 'object' || value === null) continue;
      expect(Object.isFrozen(value)).toBe(true);
      everything.push(...(value instanceof Map ? value.values() : Object.values(value)));
    }
    const models = snapshot.models as Map<string, unknown>;
    expect(() => models.set('new', {})).toThrow(TypeError);
    expect(() => models.delete('fast')).toThrow(TypeError);
    expect(() => models.clear()).toThrow(TypeError);
    expect(models.size).toBe(1);
  });

  it('keeps the running ports, stores and pepper on a reload, and says what waits for a restart', () => {
    const before = 'database: {url: "postgres://a/b"}\nauth: {pepper: "${OLD}"}\nrouting: {deadline: 1s}';
    const after =
      'server: {port: 9999, trusted_proxies: [10.0.0.0/8]}\ndatabase: {url: "postgres://c/d"}\nauth: {pepper: "${NEW}"}\nrouting: {deadline: 2s}';
    const environment = { OLD: PEPPER, NEW: PEPPER.toUpperCase() };
    const running = loaded({ 'gateway.yaml': before }, { environment }).snapshot.gateway;
    const result = loaded({ 'gateway.yaml': after }, { environment, running });
    expect(result.pendingRestart).toEqual(['server.port', 'server.trusted_proxies', 'database.url', 'auth.pepper']);
    const { gateway } = result.snapshot;
    expect([gateway.server.port, gateway.database.url, gateway.auth.pepper]).toEqual([8080, 'postgres://a/b', PEPPER]);
    expect(gateway.routing.deadlineMs).toBe(2_000);
  });

  it('takes addresses and ranges of both families for proxies', () => {
    const { snapshot } = loaded({ 'gateway.yaml': 'server: {trusted_proxies: [10.0.0.1, "fd00::/8"]}' });
    expect(snapshot.gateway.server.trustedProxies).toEqual(['10.0.0.1', 'fd00::/8']);
  });
});

describe('providers', () => {
  it.each([
    ['type: openai', {}, false],
    ['type: openai, api_key: "${KEY:}"', {}, false],
    ['type: openai, api_key: "${KEY:}"', { KEY: 'sk-1' }, true],
    ['type: anthropic, api_key: sk-1', {}, true],
    ['type: vllm, base_url: "http://h:8000/v1"', {}, true],
    ['type: vllm, base_url: "${URL:}"', {}, false],
    ['type: openai_compatible, base_url: "http://${HOST:}:8000/v1"', {}, false],
    ['type: openai_compatible, base_url: "http://${HOST:}:8000/v1"', { HOST: 'h' }, true],
    ['type: azure_openai, api_key: sk-1, base_url: "https://${NAME:}.openai.azure.com"', {}, false],
    ['type: azure_openai, base_url: "https://${NAME:}.openai.azure.com"', { NAME: 'mine' }, false],
    ['type: azure_openai, api_key: sk-1, base_url: "https://${NAME:}.openai.azure.com"', { NAME: 'mine' }, true],
    ['type: simulator', {}, true],
  ])('{%s} with %j: configured is %s', (body, environment, configured) => {
    expect(other(body, environment)?.configured).toBe(configured);
  });

  it('have their public address, no trailing slash, and header names in lower case', () => {
    expect(other('type: openai')?.baseUrl).toBe('https://api.openai.com/v1');
    expect(other('type: vllm, base_url: "http://h/v1//", headers: {X-Team: "${T}"}', { T: 'core' })).toMatchObject({
      baseUrl: 'http://h/v1',
      headers: { 'x-team': 'core' },
    });
  });

  it('are reached directly, with the certificates everybody trusts, where they say nothing else or leave it empty', () => {
    const direct = { caCertificates: '', clientCertificate: '', clientKey: '', proxy: '' };
    expect(other('type: openai')?.connection).toEqual(direct);
    const empty = 'ca_certificates: "${A:}", client_certificate: "${A:}", client_key: "${A:}", proxy: "${A:}"';
    expect(other(`type: openai, ${empty}`)?.connection).toEqual(direct);
  });

  it('may name a proxy, authorities to trust, and a certificate of their own, from files and the environment', () => {
    const authority = new CertificateAuthority();
    const { cert, key } = authority.issue();
    const body =
      'type: openai, proxy: "http://gate:${WORD}@proxy:3128", ca_certificates: "${file:/ca}", ' +
      'client_certificate: "${file:/cert}", client_key: "${file:/key}"';
    const { snapshot } = loaded(
      { 'providers.yaml': provider(body) },
      {
        environment: { WORD: 'sword%40fish' },
        secrets: { '/ca': `My CA\n${authority.cert}`, '/cert': cert, '/key': key },
      },
    );
    expect(snapshot.providers.get('other')?.connection).toEqual({
      caCertificates: authority.cert.trim(),
      clientCertificate: cert.trim(),
      clientKey: key.trim(),
      proxy: 'http://gate:sword%40fish@proxy:3128/',
    });
  });

  it('are refused a certificate and a key that do not belong together, or a key that is none', () => {
    const authority = new CertificateAuthority();
    const body = 'type: openai, client_certificate: "${file:/cert}", client_key: "${file:/key}"';
    const problemsWith = (key: string) =>
      problemsOf({ 'providers.yaml': provider(body) }, { secrets: { '/cert': authority.issue().cert, '/key': key } });
    expect(problemsWith(authority.issue().key)).toEqual([
      expect.stringContaining('client_key: is not the key of client_certificate'),
    ]);
    expect(problemsWith('no key')).toEqual([expect.stringContaining('client_key: must be a private key in PEM')]);
  });

  it('have the time limits of gateway.yaml where they set none of their own', () => {
    const limits = { connectMs: 5_000, firstByteMs: 60_000, firstContentMs: 60_000, idleMs: 30_000, totalMs: 120_000 };
    expect(other('type: openai')?.timeouts).toEqual(limits);
    expect(other('type: openai, timeout: 7s, timeouts: {connect: 1s, idle: 2m}')?.timeouts).toEqual({
      ...limits,
      totalMs: 7_000,
      connectMs: 1_000,
      idleMs: 120_000,
    });
  });

  it.each([
    ['type: vllm', '"base_url" is missing'],
    [
      'type: openia',
      'must be one of openai, anthropic, azure_openai, vllm, openai_compatible, simulator, not "openia" (did you mean "openai"?)',
    ],
    ['base_url: "http://h"', '"type" is missing'],
    ['type: vllm, base_url: "ftp://h"', 'base_url: must be an http:// or https:// address'],
    ['type: vllm, base_url: "h:8000/v1"', 'base_url: must be an http:// or https:// address'],
    ['type: azure_openai, base_url: "https://.openai.azure.com"', 'base_url: must be an http:// or https:// address'],
    ['type: vllm, base_url: "http://h/v1?key=1"', 'no blank, query or fragment'],
    ['type: vllm, base_url: "http://user:word@h/v1"', 'no user name or password'],
    ['type: vllm, base_url: "https://https://h.openai.azure.com/.openai.azure.com"', 'two addresses'],
    ['type: simulator, api_key: x', 'the simulator has no api_key'],
    ['type: openai, api_version: "1"', 'only a provider of type azure_openai has an api_version'],
    ['type: openai, headers: {Host: x}', 'headers.Host: this header is set by AEGIS itself'],
    ['type: openai, headers: {X-A: a, x-a: b}', 'headers.x-a: this header stands twice'],
    ['type: openai, headers: {X-A: "a\\r\\nb"}', 'headers.X-A: the value must be visible ASCII on one line'],
    ['type: openai, headers: {"X A": a}', 'the name must be a valid header name'],
    ['type: openai, timeout: 1s, timeouts: {total: 2s}', 'is the same setting as timeouts.total'],
    ['type: openai, timeout: 30', 'timeout: must be a duration with its unit'],
    ['type: openai, api_key: "a\\nb"', 'api_key: must be visible ASCII without blanks'],
    ['type: openai, api_key: 12345', 'api_key: must be text; put it in quotes'],
    ['type: openai, ca_certificates: /etc/ssl/ca.pem', 'ca_certificates: must hold at least one certificate in PEM'],
    [
      'type: openai, ca_certificates: "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"',
      'ca_certificates: certificate 1 of 1 cannot be read',
    ],
    ['type: openai, client_key: x', 'client_key: is of no use without client_certificate'],
    ['type: openai, proxy: "proxy:3128"', 'proxy: must be an http:// or https:// address'],
    ['type: openai, proxy: "socks5://proxy:1080"', 'proxy: must be an http:// or https:// address'],
    ['type: openai, proxy: "http://proxy:3128/path"', 'proxy: must hold no path'],
    ['type: openai, proxy: "http://gate:50%@proxy:3128"', 'percent-encoded'],
    ['type: simulator, proxy: "http://proxy:3128"', 'the simulator has no proxy'],
    ['type: openai, max_concurrent: 0', 'max_concurrent: must be a whole number from 1 to 100000, not "0"'],
  ])('{%s} is refused', (body, problem) => {
    const problems = problemsOf({ 'providers.yaml': provider(body) });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });
});

describe('models and prices', () => {
  it.each([
    [
      `    primary: {provider: hose, model: llama, classification_ceiling: PUBLIC}`,
      'providers.yaml has no provider "hose" (did you mean "house"?)',
    ],
    [`    primary: {provider: house, model: llama}`, '"classification_ceiling" is missing'],
    [`    primary: {provider: house, model: llama, classification_ceiling: internal}`, '(did you mean "INTERNAL"?)'],
    [
      `    primary: {provider: house, model: llama, classification_ceiling: PUBLIC, deployment: d}`,
      'only a target at Azure OpenAI has a deployment',
    ],
    [
      `    primary: ${target()}\n    strategy: prioriy`,
      'must be one of priority, weighted, least_latency, not "prioriy" (did you mean "priority"?)',
    ],
    [
      `    primary: ${target()}\n    fallback: [${target()}]`,
      '"house/llama" is a target of this model already, on line 3',
    ],
    [`    primary: ${target(', weight: 2')}`, 'has no effect without "strategy: weighted"'],
    [`    primary: ${target(', weight: 0')}\n    strategy: weighted`, 'weight: must be a whole number from 1'],
    [
      `    primary: ${target()}\n    fallback: [{provider: house, model: b, classification_ceiling: PUBLIC, weight: 1}]`,
      'only primaries have a weight',
    ],
    [`    primary: ${target(', weight: 2')}\n    strategy: wieghted`, '(did you mean "weighted"?)'],
    [`    primary: []`, 'must hold at least one target'],
    [`    fallback: [${target()}]`, '"primary" is missing'],
    [`    primary: ${target()}\n    fallbacks: []`, 'unknown key (did you mean "fallback"?)'],
    [
      `    primary: ${target()}\n  fast:\n    primary: ${target()}`,
      'models.fast: this key stands twice; it is on line 2 already',
    ],
    [`    primary: ${target()}\n  "a b": {primary: ${target()}}`, 'the name must match'],
    [`    primary: house/llama`, 'primary: must be a mapping'],
  ])('%s is refused', (body, problem) => {
    const problems = problemsOf({ 'models.yaml': model(body) });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('ask for a deployment at Azure OpenAI', () => {
    const providers = 'providers: {house: {type: azure_openai, base_url: "https://a.openai.azure.com"}}';
    expect(problemsOf({ 'providers.yaml': providers })).toEqual([
      expect.stringContaining('models.fast.primary: "deployment" is missing'),
    ]);
  });

  it.each([
    [
      'version: v1\nprices: [{provider: hause, model: m, input: 1, output: 1}]',
      'no provider "hause" (did you mean "house"?)',
    ],
    [
      'version: v1\nprices: [{provider: house, model: m, input: 1e-3, output: 1}]',
      'input: must be an amount of US dollars',
    ],
    [
      'version: v1\nprices: [{provider: house, model: m, input: -1, output: 1}]',
      'input: must be an amount of US dollars',
    ],
    ['version: v1\nprices: [{provider: house, model: m, input: 1}]', '"output" is missing'],
    ['version: v1\ncurrency: EUR\nprices: []', 'currency: must be one of USD, not "EUR"'],
    ['prices: []', '"version" is missing'],
    [
      'version: v1\nprices: [{provider: house, model: m, input: 1, output: 1}, {provider: house, model: m, input: 1, output: 1}]',
      '"house/m" has a price already, on line 2',
    ],
  ])('%s is refused', (pricing, problem) => {
    const problems = problemsOf({ 'pricing.yaml': pricing });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });
});

describe('gateway.yaml', () => {
  it.each([
    ['server: {port: 70000}', 'server.port: must be a whole number from 0 to 65535, not "70000"'],
    ['server: {port: 9090}', 'telemetry.metrics_port: must differ from server.port'],
    [
      'server: {body_limit: 20MB}',
      'server.body_limit: must be a size with its unit (512KiB, 20MiB), from 1KiB to 1GiB, not "20MB"',
    ],
    ['server: {trusted_proxies: [everyone]}', 'server.trusted_proxies[0]: must be an IP address or a CIDR range'],
    ['server: {trusted_proxies: ["10.0.0.0/33"]}', 'server.trusted_proxies[0]: must be an IP address or a CIDR range'],
    ['server: {trusted_proxies: ["10.0.0.1", "::/0"]}', 'server.trusted_proxies[1]: trusts everybody'],
    ['server: {trusted_proxies: 10.0.0.1}', 'server.trusted_proxies: must be a list of texts'],
    ['server: [1]', 'server: must be a mapping'],
    ['[1]', 'must be a mapping'],
    ['', 'the file is empty'],
    ['# only a comment\n', 'the file is empty'],
    ['sever: {}', 'gateway.yaml:1:1 sever: unknown key (did you mean "server"?)'],
    ['telemetry: {log-level: info}', 'telemetry.log-level: unknown key (did you mean "log_level"?)'],
    ['routing: {deadline: 30}', 'routing.deadline: must be a duration with its unit (250ms, 30s, 5m, 24h)'],
    ['routing: {deadline: 30sec}', 'not "30sec"'],
    ['filters: {secrets: {enabled: "yes"}}', 'filters.secrets.enabled: must be true or false, not "yes"'],
    ['auth: {pepper: short}', 'auth.pepper: must be at least 32 bytes long'],
    ['auth: {previous_pepper: short}', 'auth.previous_pepper: must be at least 32 bytes long'],
    [
      `auth: {pepper: ${PEPPER}, previous_pepper: ${PEPPER}}`,
      'auth.previous_pepper: is the same as auth.pepper: leave it out',
    ],
    ['database: {url: "mysql://h/d"}', 'database.url: must be empty, or a postgres:// address'],
    [
      'database: {url: "postgres://h/d"}',
      'auth.pepper: must be set, to at least 32 bytes (only the embedded PostgreSQL',
    ],
    ['server: {port: "${PORT}"}', 'server.port: the environment variable PORT is not set'],
  ])('%j is refused', (gateway, problem) => {
    const problems = problemsOf({ 'gateway.yaml': gateway });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it.each([
    'server: {port: 1',
    'server:\n\tport: 1',
    'a: b: c',
    '"unclosed',
    'server: *nothing',
    'server: !secret x',
    'a: 1\n---\nb: 2',
    'x: @y',
  ])('%j is refused with a line', (gateway) => {
    expect(problemsOf({ 'gateway.yaml': gateway })[0]).toMatch(/^gateway\.yaml:\d+:\d+ ?.*: /);
  });

  it('is refused in production without a database, a journal, a key for the audit and a pepper', () => {
    const environment = { NODE_ENV: 'production' };
    expect(problemsOf({ 'gateway.yaml': 'server: {}' }, { environment })).toEqual([
      expect.stringContaining('database.url: must be set'),
      expect.stringContaining('accounting.journal_dir: must be set'),
      expect.stringContaining('audit.signing_key_file: must be set'),
      expect.stringContaining('auth.pepper: must be set'),
    ]);
  });
});

describe('problems', () => {
  it('are told all together, in the order of the files and their lines', () => {
    const problems = problemsOf({
      'gateway.yaml': 'server:\n  prot: 1\n  port: x\nrouting: {deadline: 5}\n',
      'providers.yaml': 'providers:\n  house: {type: vlm}\n',
      'models.yaml': model('    strategy: fast\n    primary: {provider: hous, model: llama}\n'),
      'pricing.yaml': null,
    });
    expect(problems.map((problem) => problem.split(': ')[0])).toEqual([
      'gateway.yaml:2:3 server.prot',
      'gateway.yaml:3:9 server.port',
      'gateway.yaml:4:21 routing.deadline',
      'providers.yaml:2:17 providers.house.type',
      'models.yaml:3:15 models.fast.strategy',
      'models.yaml:4:5 models.fast.primary',
      'models.yaml:4:25 models.fast.primary.provider',
      'pricing.yaml',
    ]);
    expect(problems.at(-1)).toBe('pricing.yaml: the file is missing');
  });

  it('do not blame what only follows from another', () => {
    const providers = 'providers: {house: {type: azure_openia, api_version: "1"}}';
    const models =
      'models: {fast: {primary: {provider: house, model: llama, deployment: d, classification_ceiling: PUBLIC}}}';
    expect(problemsOf({ 'providers.yaml': providers, 'models.yaml': models })).toEqual([
      expect.stringContaining('(did you mean "azure_openai"?)'),
    ]);
  });

  it('do not blame models.yaml for providers.yaml that could not be read', () => {
    expect(
      problemsOf({ 'providers.yaml': 'providers: [' }).every((problem) => problem.startsWith('providers.yaml')),
    ).toBe(true);
  });

  const SECRET = 'Zq7secretZq7secretZq7';
  it.each([
    ['gateway.yaml', `auth: {pepper: ${SECRET}}`],
    ['gateway.yaml', `auth: {pepper: [${SECRET}]}`],
    ['gateway.yaml', `auth: {pepper: *${SECRET}}`],
    ['gateway.yaml', `auth: {pepper: !${SECRET} x}`],
    ['gateway.yaml', `auth:\n  pepper: "${SECRET}\n`],
    ['gateway.yaml', `auth:\n  pepper: |${SECRET}\n    x`],
    ['gateway.yaml', `auth:\n  pepper: "\\${SECRET}"`],
    ['gateway.yaml', `database: {url: "mysql://u:${SECRET}@h/d"}`],
    ['gateway.yaml', `redis: {url: "http://u:${SECRET}@h"}`],
    ['gateway.yaml', 'server: {port: "${SECRET}"}'],
    ['gateway.yaml', 'telemetry: {log_level: "${SECRET}"}'],
    ['gateway.yaml', 'routing: {deadline: "${SECRET}"}'],
    ['gateway.yaml', `server: {port: "\${UNSET:${SECRET}}"}`],
    ['gateway.yaml', 'server: {port: "${file:/run/secrets/one}"}'],
    ['providers.yaml', provider(`type: openai, base_url: "http://u:${SECRET}@h/v1"`)],
    ['providers.yaml', provider('type: openai, base_url: "${SECRET}"')],
    ['providers.yaml', provider(`type: openai, proxy: "socks5://u:${SECRET}@h:1080"`)],
    ['providers.yaml', provider(`type: openai, client_key: "${SECRET}"`)],
    ['providers.yaml', provider(`type: openai, api_key: "${SECRET} x"`)],
    ['providers.yaml', provider(`type: openai, headers: {X-A: "${SECRET}\\u0007"}`)],
    ['models.yaml', model('    primary: {provider: "${SECRET}", model: llama, classification_ceiling: PUBLIC}')],
  ] as const)('hold no secret: %s %j', (file, text) => {
    const options = { environment: { SECRET }, secrets: { '/run/secrets/one': SECRET } };
    const problems = problemsOf({ [file]: text }, options);
    expect(problems).not.toEqual([]);
    expect(problems.join('\n')).not.toContain(SECRET);
  });

  it('say where a value came from when they may not say what it is', () => {
    expect(problemsOf({ 'gateway.yaml': 'server: {port: "${PORT:1}"}' }, { environment: { PORT: 'x' } })[0]).toContain(
      '(it comes from ${PORT})',
    );
  });
});

describe('any text at all', () => {
  const junk = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc
      .array(
        fc.constantFrom(
          'server',
          ':',
          ' ',
          '\n',
          '- ',
          '{',
          '}',
          '[',
          ']',
          '&a',
          '*a',
          '!!map',
          '"',
          "'",
          '|',
          '<<',
          '${',
          '}',
          '1',
          '? ',
          '__proto__',
          'models',
          'primary',
          '---\n',
          '%YAML 1.1\n',
          ',',
        ),
        { maxLength: 60 },
      )
      .map((parts) => parts.join('')),
  );

  it('is a configuration or has problems, and never throws', () => {
    fc.assert(
      fc.property(fc.constantFrom(...CONFIG_FILE_NAMES), junk, (file, text) => {
        const result = load({ [file]: text });
        expect(result.ok || result.problems.length > 0).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is so with any piece of a real file cut off, doubled or replaced', () => {
    const files = shipped('config');
    const edit = fc.record({
      file: fc.constantFrom(...CONFIG_FILE_NAMES),
      from: fc.nat(5_000),
      length: fc.nat(200),
      insert: fc.oneof(fc.constant(''), junk),
    });
    fc.assert(
      fc.property(edit, ({ file, from, length, insert }) => {
        const text = files[file];
        const start = from % text.length;
        const result = load({ ...files, [file]: text.slice(0, start) + insert + text.slice(start + length) });
        expect(result.ok || result.problems.length > 0).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it.each(['[', '{a: ', '- ', '? ', '!!seq [', '"a": {'])(
    'is refused when it nests %j a hundred thousand times',
    (piece) => {
      expect(problemsOf({ 'gateway.yaml': piece.repeat(100_000) })).not.toEqual([]);
    },
  );

  it('never reaches a prototype', () => {
    const hostile = '{__proto__: {workers: 5}, constructor: {prototype: {x: 1}}, server: {__proto__: {port: 1}}}';
    expect(problemsOf({ 'gateway.yaml': hostile })).toHaveLength(3);
    const providers = provider('type: openai, headers: {__proto__: evil}');
    const { headers } = loaded({ 'providers.yaml': providers }).snapshot.providers.get('other') ?? {};
    expect(Object.getPrototypeOf(headers)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

/** When the shipped price list was last gone through. */
const SHIPPED_MS = Date.parse('2026-11-23');

describe('the shipped configuration', () => {
  it('serves every alias with no key at all in development', () => {
    const { snapshot, warnings } = loaded(shipped('config'), { nowMs: SHIPPED_MS });
    expect(warnings).toEqual([]);
    for (const { primaries, fallbacks } of snapshot.models.values()) {
      const usable = [...primaries, ...fallbacks].filter(({ provider: { configured } }) => configured);
      expect(usable.map(({ id }) => id)).toEqual(['simulator/simulator']);
      expect(usable[0]?.classificationCeiling).not.toBe('PUBLIC');
    }
  });

  it('sends what must not leave the house nowhere but to the house', () => {
    const route = loaded(shipped('config'), { environment: { VLLM_BASE_URL: 'http://v/v1' } }).snapshot.models.get(
      'aegis-private',
    );
    expect(route?.primaries.map(({ id, provider: { configured } }) => [id, configured])).toEqual([
      ['internal_vllm/meta-llama/Llama-3.3-70B-Instruct', true],
    ]);
    expect([...(route?.primaries ?? []), ...(route?.fallbacks ?? [])].map(({ provider: { type } }) => type)).toEqual([
      'vllm',
      'simulator',
    ]);
  });

  it('takes ports, stores, pepper and log settings from the environment', () => {
    const environment = {
      GATEWAY_PORT: '1',
      METRICS_PORT: '2',
      DATABASE_URL: 'postgres://h/d',
      REDIS_URL: 'redis://h',
      AEGIS_KEY_PEPPER: PEPPER,
      LOG_LEVEL: 'warn',
      LOG_FORMAT: 'pretty',
    };
    expect(loaded(shipped('config'), { environment }).snapshot.gateway).toMatchObject({
      server: { port: 1 },
      database: { url: 'postgres://h/d' },
      redis: { url: 'redis://h' },
      telemetry: { metricsPort: 2, logLevel: 'warn', logFormat: 'pretty' },
      auth: { pepper: PEPPER },
    });
  });

  it('refuses the simulator in production and says which folder to use', () => {
    const stores = { DATABASE_URL: 'postgres://h/d', AEGIS_JOURNAL_DIR: '/journal', AEGIS_AUDIT_KEY_FILE: '/key' };
    const environment = { NODE_ENV: 'production', ...stores, AEGIS_KEY_PEPPER: PEPPER };
    expect(problemsOf(shipped('config'), { environment })).toEqual([
      expect.stringMatching(/^providers\.yaml:\d+:\d+ providers\.simulator\.type: .*config\/production$/),
    ]);
    expect(problemsOf(shipped('config/production'), { environment })).toEqual([]);
    expect(loaded(shipped('config/production'), { environment, nowMs: SHIPPED_MS }).warnings).toEqual([]);
  });

  it('is the same in production but for the simulator', () => {
    const environment = { DATABASE_URL: 'postgres://h/d', AEGIS_KEY_PEPPER: PEPPER };
    const development = loaded(shipped('config'), { environment }).snapshot;
    const production = loaded(shipped('config/production'), { environment }).snapshot;
    const withoutSimulator = <T>(entries: Iterable<[string, T]>) =>
      [...entries].filter(([name]) => !name.startsWith('simulator'));
    expect([...production.providers]).toEqual(withoutSimulator(development.providers));
    expect([...production.pricing.prices]).toEqual(withoutSimulator(development.pricing.prices));
    expect([...production.models.keys()]).toEqual([...development.models.keys()]);
  });
});

describe('server.workers', () => {
  const gateway = (workers: string): Texts => ({ 'gateway.yaml': `server: {workers: ${workers}}\n` });

  it('is a number of processes, or auto', () => {
    expect(loaded(gateway('4')).snapshot.gateway.server.workers).toBe(4);
    expect(loaded(gateway('auto')).snapshot.gateway.server.workers).toBe('auto');
    expect(loaded(gateway('"auto"')).snapshot.gateway.server.workers).toBe('auto');
    for (const wrong of ['0', '257', 'all', '1.5', 'true', '""']) {
      expect(problemsOf(gateway(wrong))).toEqual([
        expect.stringMatching(/^gateway\.yaml:1:\d+ server\.workers: must be a whole number from 1 to 256, or auto/),
      ]);
    }
  });

  it('is divided into by the places at a provider: fewer are refused', () => {
    const providers = (places: number): Texts => ({
      'providers.yaml': `providers:\n  house: {type: vllm, base_url: "http://127.0.0.1:8000/v1", max_concurrent: ${places}}\n`,
    });
    expect(problemsOf({ ...gateway('4'), ...providers(4) })).toEqual([]);
    expect(problemsOf({ ...gateway('4'), ...providers(3) })).toEqual([
      expect.stringContaining('providers.house.max_concurrent: must be at least 4, the number of workers'),
    ]);
    expect(problemsOf({ ...gateway('auto'), ...providers(3) }, { cores: 3 })).toEqual([]);
    expect(problemsOf({ ...gateway('auto'), ...providers(3) }, { cores: 8 })).toEqual([
      expect.stringContaining('must be at least 8'),
    ]);
    // Those that run share the places: a new number waits for a restart.
    const running = loaded(gateway('2')).snapshot.gateway;
    expect(problemsOf({ ...gateway('4'), ...providers(3) }, { running })).toEqual([]);
  });
});
