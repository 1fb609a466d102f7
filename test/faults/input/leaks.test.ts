import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { DatabaseService } from '../../../src/database/database.service.js';
import { startTestGateway, type TestGateway } from '../../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { jsonAnswer, ScriptableUpstream } from '../../support/scriptable-upstream.js';
import { eventually } from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { exchange, requestText } from '../support/wire.js';

/** Each place has a text of its own, so that a leak names its source. */
const CANARY = {
  key: 'aegis-kanarie-keyabcdefghijklmnopqrstuvwxyz',
  bearer: 'KanarieBearer',
  query: 'KanarieQuery',
  prompt: 'KanariePrompt',
  broken: 'KanarieBroken',
  header: 'KanarieHeader',
  upstream: 'KanarieUpstream',
  credential: 'KanarieCredential0123456789',
  config: 'KanarieConfig',
} as const;

describe('secrets and prompts', () => {
  let upstream: ScriptableUpstream;
  let gateway: TestGateway;
  let child: GatewayProcess;
  let url: string;
  let metricsUrl: string;
  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    gateway = await startTestGateway();
    expect(await gateway.reload(config())).toBe('applied');
    child = spawnGateway({ AEGIS_CONFIG_DIR: gateway.configDirectory });
    const listens = await child.logged('gateway is listening');
    [url, metricsUrl] = [String(listens.url), String(listens.metricsUrl)];
  });
  afterAll(async () => {
    child?.child.kill('SIGKILL');
    await child?.exited;
    await gateway.close();
    await upstream.close();
  });

  const config = () => ({
    gateway: { telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'trace' } },
    providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: CANARY.credential } },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
    freeModels: ['only/m'],
  });

  async function send(body: string, headers: readonly string[] = [], key = gateway.key): Promise<string> {
    const text = requestText(
      `POST /v1/chat/completions?key=${CANARY.query} HTTP/1.1`,
      [
        'host: x',
        'connection: close',
        `authorization: Bearer ${key}`,
        'content-type: application/json',
        ...headers,
        `content-length: ${body.length}`,
      ],
      body,
    );
    return (await exchange(url, text)).text;
  }

  it('row 77: stand in nothing that a gateway writes: its log, its files, its database, its metrics, its errors', async () => {
    const answers: string[] = [];
    const prompt = JSON.stringify({ model: 'alias', messages: [{ role: 'user', content: CANARY.prompt }] });
    // A provider that quotes the credential and the prompt, as some do.
    const quoting = { error: { message: `Incorrect key ${CANARY.credential}: ${CANARY.upstream} ${CANARY.prompt}` } };
    for (const status of [401, 403, 429, 500, 503]) {
      upstream.script(jsonAnswer(status, quoting, { 'x-debug': CANARY.upstream }));
      answers.push(await send(prompt));
    }
    upstream.script({ headers: { 'content-type': 'text/html' }, body: `<h1>${CANARY.upstream}</h1>` });
    answers.push(await send(prompt));
    upstream.script({ raw: `HTTP/1.1 200 OK\r\n${CANARY.upstream}: \x01\r\n\r\n` });
    answers.push(await send(prompt));
    answers.push(await send(`{"model":"alias","messages":[${CANARY.broken}`));
    answers.push(await send(`{"${CANARY.broken}":`, [`x-secret: ${CANARY.header}`, `cookie: ${CANARY.header}`]));
    answers.push(await send(prompt, [], CANARY.bearer));
    answers.push(await send(prompt, [], CANARY.key));
    answers.push(
      await send(prompt, [`x-aegis-classification: ${CANARY.header}`, `x-aegis-project: ${CANARY.header} x`]),
    );
    answers.push((await exchange(url, `${CANARY.broken} ${CANARY.key}\r\n\r\n`)).text);
    answers.push(
      (
        await exchange(
          url,
          requestText('GET /v1/%zz HTTP/1.1', ['host: x', 'connection: close', `x: ${CANARY.header}`]),
        )
      ).text,
    );

    // A configuration that cannot be read quotes nothing of itself.
    const file = join(gateway.configDirectory, 'providers.yaml');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.replace(/api_key: .*/, `api_key: [${CANARY.config}`));
    await eventually(() => child.output().includes('providers.yaml'));
    writeFileSync(file, good);

    const database = gateway.gateway.app.get(DatabaseService, { strict: false });
    const dump = async (): Promise<string> => {
      const tables = await database.run((manager) =>
        manager.query<{ name: string }[]>("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"),
      );
      const rows = await Promise.all(
        tables.map(({ name }) => database.run((manager) => manager.query(`SELECT * FROM "${name}"`))),
      );
      return JSON.stringify(rows);
    };
    // Usage and audit are there before they are searched.
    await eventually(async () => (await dump()).includes('"requested_model":"alias"'));
    const written: Record<string, string> = {
      log: child.output(),
      files: readTree(gateway.configDirectory, ['.yaml']),
      database: await dump(),
      metrics: await (await request(metricsUrl)).body.text(),
      errors: answers.join('\n'),
    };
    expect(written.log).toContain('"msg":"request"');
    expect(written.files?.length).toBeGreaterThan(1_000);
    const secrets: readonly [string, string][] = [...Object.entries(CANARY), ['valid key', gateway.key]];
    const leaks = Object.entries(written).flatMap(([where, text]) =>
      secrets.filter(([, secret]) => text.includes(secret)).map(([what]) => `${what} in ${where}`),
    );
    note(`${Object.values(written).join('').length.toLocaleString('en')} characters searched`);
    expect(leaks).toEqual([]);
  }, 60_000);

  it('row 78: methods, users, codes and statuses that are made up make no series', async () => {
    const seriesOf = async (): Promise<string[]> => {
      const text = await (await request(metricsUrl)).body.text();
      expect(text.length).toBeLessThan(1024 * 1024);
      return text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.replace(/ \S+$/, ''));
    };
    const METHODS = ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'M-SEARCH', 'FOO', 'X'];
    const attack = async (number: number): Promise<void> => {
      const name = `made-up-${number}`;
      const error = { message: name, type: name, code: name, param: name };
      upstream.script(jsonAnswer(400 + (number % 90), { error }));
      await send(JSON.stringify({ model: 'alias', user: name, messages: [{ role: 'user', content: 'hi' }] }));
      const method = METHODS[number % METHODS.length] ?? '';
      await exchange(
        url,
        requestText(`${method} /${name} HTTP/1.1`, ['host: x', 'connection: close', `user-agent: ${name}`]),
      );
    };
    // The file that was put right again is dealt with before anything is counted.
    await eventually(async () => (await seriesOf()).includes('aegis_config_reloads_total{outcome="unchanged"}'));
    for (let number = 0; number < 90; number += 1) await attack(number);
    const before = await seriesOf();
    for (let number = 90; number < 450; number += 1) await attack(number);
    const after = await seriesOf();
    note(`${after.length} series`);
    expect(after.filter((series) => series.startsWith('aegis_') && !before.includes(series))).toEqual([]);
    expect(after.filter((series) => series.includes('made-up'))).toEqual([]);
  }, 120_000);
});

/** All files below a folder as one text, but those with these endings. */
function readTree(folder: string, without: readonly string[]): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !without.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}
