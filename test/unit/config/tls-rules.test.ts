import { readDatabaseAddress } from '../../../src/config/database-address.js';
import { Places } from '../../../src/config/places.js';
import { Problems } from '../../../src/config/problem.js';
import { checkTls } from '../../../src/config/rules/tls.rules.js';
import { GatewayConfig } from '../../../src/config/schema/gateway.config.js';
import { SectionReader } from '../../../src/config/section.reader.js';
import { Substitution } from '../../../src/config/substitution.js';
import { parseYaml } from '../../../src/config/yaml-document.js';

/** What is wrong with a gateway.yaml, by key. */
function complaintsOf(text: string): string[] {
  const [problems, places] = [new Problems(), new Places()];
  const source = parseYaml('gateway.yaml', text, problems);
  const substitution = new Substitution({}, () => '');
  const gateway = source && new SectionReader(source, substitution, problems, places).readFile(GatewayConfig);
  if (gateway) checkTls(gateway, places, problems);
  return problems.all.map(({ place, message }) => `${place.path} ${message}`);
}

describe('what TLS needs together', () => {
  it.each([
    ['server: {tls: {cert_file: /a/b}}', 'server.tls.cert_file is of no use without key_file'],
    ['server: {tls: {key_file: /a/b}}', 'server.tls.key_file is of no use without cert_file'],
    ['server: {tls: {client_auth: require}}', 'server.tls.client_auth is of no use without cert_file'],
    [
      'server: {tls: {cert_file: /a, key_file: /b, client_auth: request}}',
      'server.tls.client_auth needs client_ca_file',
    ],
    [
      'server: {tls: {cert_file: /a, key_file: /b, client_ca_file: /c}}',
      'server.tls.client_ca_file is of no use while',
    ],
    ['server: {tls: {cert_file: a/b, key_file: /b}}', 'server.tls.cert_file must be empty, or the absolute path'],
    ['telemetry: {metrics_token: short}', 'telemetry.metrics_token must be at least 16 bytes'],
    ['database: {password: secret}', 'database.password is of no use without url'],
    ['database: {tls: {ca_file: /a}}', 'database.tls is of no use without url'],
    ['database: {url: "postgres://h/d?sslmode=disable", tls: {ca_file: /a}}', 'database.url turns TLS off'],
    ['database: {url: "postgres://h/d?sslmode=no-verify"}', 'database.url asks for TLS without a proof'],
    [
      'database: {url: "postgres://h/d?sslmode=require&uselibpqcompat=true"}',
      'database.url asks for TLS without a proof',
    ],
    ['database: {url: "postgres://h/d?sslrootcert=/a"}', 'database.url holds sslrootcert'],
    ['redis: {tls: {ca_file: /a}}', 'redis.tls is of no use without url'],
    ['redis: {url: "redis://h", tls: {ca_file: /a}}', 'redis.tls is of no use with a redis:// address'],
    ['redis: {url: "redis://h", sentinel: {master: m}}', 'redis.sentinel.nodes must name at least one'],
    ['redis: {url: "redis://h", sentinel: {nodes: ["s:1"]}}', 'redis.sentinel.master must be set'],
    [
      'redis: {url: "redis://h", sentinel: {master: m, nodes: ["s:1"]}, cluster: {nodes: ["c:1"]}}',
      'redis.cluster and redis.sentinel',
    ],
    ['redis: {url: "redis://h/1", cluster: {nodes: ["c:1"]}}', 'redis.url names a database'],
    ['redis: {url: "redis://h", cluster: {nodes: ["no port"]}}', 'redis.cluster.nodes'],
  ])('%s is refused', (text, complaint) => {
    expect(complaintsOf(text)[0]).toContain(complaint);
  });

  it.each([
    'server: {tls: {cert_file: /a, key_file: /b, client_ca_file: /c, client_auth: require, min_version: TLSv1.3}}',
    'database: {url: "postgres://h/d", password: "p@", tls: {ca_file: /a}}',
    'redis: {url: "rediss://h", tls: {ca_file: /a}, sentinel: {master: m, nodes: ["s:1", "[::1]:2"], tls: true}}',
    'redis: {url: "rediss://h/0", cluster: {nodes: ["c:1"]}}',
  ])('%s is right', (text) => {
    expect(complaintsOf(text)).toEqual([]);
  });
});

describe('an address of PostgreSQL', () => {
  it.each([
    ['postgres://u:p%40@h:1/d', false, 'postgres://u:p%40@h:1/d'],
    ['postgres://u@h/d?sslmode=disable', false, 'postgres://u@h/d'],
    ['postgres://u@h/d?application_name=x&sslmode=require', true, 'postgres://u@h/d?application_name=x'],
    ['postgres://u@h/d?ssl=true', true, 'postgres://u@h/d'],
  ])('%s says whether TLS is spoken: %s', (text, isEncrypted, url) => {
    expect(readDatabaseAddress(text)).toEqual({ url, isEncrypted, problem: null });
  });
});
