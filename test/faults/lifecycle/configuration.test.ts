import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { waitUntil } from '../../integration/auth/replica.js';
import { WorkerGateway } from '../../support/worker-gateway.js';
import { Cleanup } from '../support/cleanup.js';
import { Clients, failuresOf } from '../support/clients.js';
import { pause } from '../support/fault-site.js';
import { note } from '../support/notes.js';

const DEADLINE_MS = 120_000;
/** Stands in a file that is wrong, and may be told to nobody. */
const SECRET = 'Zq7-a-provider-credential';

describe('the configuration of a process', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function make(isStarted: boolean): Promise<WorkerGateway> {
    const gateway = await WorkerGateway.start({ workers: 1, isStarted, provider: { api_key: SECRET } });
    cleanup.add(() => gateway.close());
    return gateway;
  }

  const start = (): Promise<WorkerGateway> => make(true);
  const edit = (gateway: WorkerGateway, name: string, change: (text: string) => string): void =>
    gateway.writeFile(name, change(readFileSync(join(gateway.configDirectory, name), 'utf8')));

  const ready = async ({ url }: WorkerGateway): Promise<number> => {
    const answer = await request(`${url}/aegis/v1/health/ready`);
    await answer.body.dump();
    return answer.statusCode;
  };
  const aliases = async ({ url, key }: WorkerGateway): Promise<string> => {
    const answer = await request(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    return ((await answer.body.json()) as { data: { id: string }[] }).data.map(({ id }) => id).join();
  };
  const reloads = (gateway: WorkerGateway, outcome: string): Promise<number> =>
    gateway.metric('aegis_config_reloads_total', `outcome="${outcome}"`);

  it.each([
    ['YAML that is none', 'models.yaml', 'models: {a: [\n', /models\.yaml:\d+/],
    ['an unknown key', 'gateway.yaml', 'routing: {retrys: 3}\n', /gateway\.yaml:\d+.*retrys/],
    [
      'a variable that nobody set',
      'providers.yaml',
      `providers:\n  only: {type: openai, base_url: "http://127.0.0.1:1/v1", api_key: "${SECRET}\${NOBODY_SET_THIS}"}\n`,
      /providers\.yaml:2.*NOBODY_SET_THIS/,
    ],
  ])(
    'row 53: invalid at the start, %s: exits with 1, and says file, line and path',
    async (_what, name, text, said) => {
      const gateway = await make(false);
      if (name === 'gateway.yaml') edit(gateway, name, (before) => `${before}${text}`);
      else gateway.writeFile(name, text);
      const process = gateway.begin();
      expect(await process.exited).toBe(1);
      expect(process.output()).toMatch(said);
      expect(process.output()).not.toContain(SECRET);
    },
    DEADLINE_MS,
  );

  it(
    'row 54: junk under load: the last good set serves, is told of as refused, and stays ready',
    async () => {
      const gateway = await start();
      const clients = Clients.start(gateway);
      for (const [round, name] of ['gateway.yaml', 'models.yaml', 'providers.yaml', 'secret-rules.yaml'].entries()) {
        const before = readFileSync(join(gateway.configDirectory, name), 'utf8');
        gateway.writeFile(name, '\u0000junk: [');
        await waitUntil(async () => (await reloads(gateway, 'rejected')) === round + 1);
        expect(await ready(gateway)).toBe(200);
        await clients.answered(10);
        gateway.writeFile(name, before);
        await waitUntil(async () => (await reloads(gateway, 'unchanged')) === round + 1);
      }
      const answers = await clients.stop();
      note(`${answers.length} answers, 4 sets refused`);
      expect(failuresOf(answers)).toEqual([]);
      expect(await reloads(gateway, 'applied')).toBe(0);
      expect(gateway.entries('Configuration change refused').length).toBeLessThanOrEqual(4);
      expect(gateway.process.output()).not.toContain(SECRET);
    },
    DEADLINE_MS,
  );

  it(
    'row 55: written in two halves, the first of which is valid by itself: only whole sets are ever served',
    async () => {
      const gateway = await start();
      gateway.writeConfig(['alias', 'last']);
      await waitUntil(async () => (await aliases(gateway)) === 'alias,last');
      const clients = Clients.start(gateway, { body: (turn) => ({ model: turn % 2 ? 'alias' : 'last' }) });
      const file = join(gateway.configDirectory, 'models.yaml');
      const before = readFileSync(file, 'utf8');
      const cut = before.indexOf('  last:');
      let rounds = 0;
      for (let attempt = 0; rounds < 3 && attempt < 10; attempt += 1) {
        const applied = await reloads(gateway, 'applied');
        const from = clients.answers.length;
        const whole = `${before}${before.slice(cut).replace('last', `third-${attempt}`)}`;
        const startedAtMs = performance.now();
        writeFileSync(file, '');
        writeFileSync(file, whole.slice(0, cut));
        await pause(300);
        writeFileSync(file, whole);
        // A writer that stalls for longer than the gateway waits has written a whole file, for all that anybody can tell.
        const isInTime = performance.now() - startedAtMs < 450;
        await waitUntil(async () => (await aliases(gateway)) === `alias,last,third-${attempt}`);
        await clients.answered(8);
        if (!isInTime) continue;
        rounds += 1;
        expect(await reloads(gateway, 'applied')).toBe(applied + 1);
        expect(failuresOf(clients.answers.slice(from))).toEqual([]);
      }
      const answers = await clients.stop();
      note(`${rounds} files in two halves, ${answers.length} answers`);
      expect(rounds).toBeGreaterThan(0);
      expect(await reloads(gateway, 'rejected')).toBe(0);
    },
    DEADLINE_MS,
  );

  it(
    'row 56: ten swaps of a ConfigMap under load: each is followed, and no request fails',
    async () => {
      const gateway = await make(false);
      const mount = join(gateway.folder, 'mount');
      const names = readdirSync(gateway.configDirectory);
      const publish = (generation: number): void => {
        const data = `..2026_${generation}`;
        gateway.writeConfig(['alias', `generation-${generation}`]);
        mkdirSync(join(mount, data), { recursive: true });
        for (const name of names) {
          writeFileSync(join(mount, data, name), readFileSync(join(gateway.configDirectory, name)));
        }
        symlinkSync(data, join(mount, '..data_tmp'));
        renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
        rmSync(join(mount, `..2026_${generation - 1}`), { recursive: true, force: true });
      };
      publish(0);
      for (const name of names) symlinkSync(join('..data', name), join(mount, name));
      await gateway.spawn({ environment: { AEGIS_CONFIG_DIR: mount } });
      const clients = Clients.start(gateway, { clients: 6 });
      const tookMs: number[] = [];
      for (let generation = 1; generation <= 10; generation += 1) {
        publish(generation);
        tookMs.push(await waitUntil(async () => (await aliases(gateway)) === `alias,generation-${generation}`));
      }
      const answers = await clients.stop();
      note(`${answers.length} answers, none failed; slowest swap seen after ${Math.round(Math.max(...tookMs))} ms`);
      expect(failuresOf(answers)).toEqual([]);
      expect(await reloads(gateway, 'applied')).toBe(10);
      expect(await reloads(gateway, 'rejected')).toBe(0);
    },
    DEADLINE_MS,
  );

  it(
    'row 57: a file, then the whole folder is gone: what was last good serves, a warning says so, and what comes back counts',
    async () => {
      const gateway = await start();
      const clients = Clients.start(gateway);
      rmSync(join(gateway.configDirectory, 'models.yaml'));
      await waitUntil(async () => (await reloads(gateway, 'rejected')) === 1);
      await waitUntil(() => gateway.process.output().includes('models.yaml: the file is missing'));
      await clients.answered(10);
      renameSync(gateway.configDirectory, `${gateway.configDirectory}-away`);
      await clients.answered(50);
      expect(await ready(gateway)).toBe(200);
      renameSync(`${gateway.configDirectory}-away`, gateway.configDirectory);
      gateway.writeConfig(['alias', 'back']);
      await waitUntil(async () => (await aliases(gateway)) === 'alias,back');
      const answers = await clients.stop();
      note(`${answers.length} answers, none failed`);
      expect(failuresOf(answers)).toEqual([]);
    },
    DEADLINE_MS,
  );
});
