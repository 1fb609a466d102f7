import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { request } from 'undici';
import { kill, WorkerGateway } from '../../support/worker-gateway.js';
import { waitUntil } from '../auth/replica.js';

/** Starting and ending processes takes its time where others want the machine, too. */
const DEADLINE_MS = 90_000;
const WRONG_MODELS = 'models:\n  a:\n    primray: {provider: openai}\n';

/** How often a text stands in another. */
const count = (text: string, part: string): number => text.split(part).length - 1;

describe('how several workers start', () => {
  let gateway: WorkerGateway;
  const prepare = async (options: Parameters<typeof WorkerGateway.start>[0]): Promise<void> => {
    gateway = await WorkerGateway.start({ workers: 2, isStarted: false, ...options });
  };
  afterEach(() => gateway.close());

  it(
    'says everything that is wrong with the configuration, once, and exits 1',
    async () => {
      await prepare({});
      gateway.writeFile('models.yaml', WRONG_MODELS);
      gateway.writeFile('providers.yaml', 'providers:\n  q: {type: opneai}\n');
      const process = gateway.begin();
      expect(await process.exited).toBe(1);
      for (const part of ['models.yaml:3', 'primray', 'providers.yaml:2', 'opneai']) {
        expect([part, count(process.output(), part) > 0]).toEqual([part, true]);
      }
      expect(count(process.output(), 'models.yaml:3')).toBe(1);
      expect(gateway.survivors()).toEqual([]);
    },
    DEADLINE_MS,
  );

  it.each(['server', 'telemetry'])('says, once, that the port of %s is taken, and exits 1', async (section) => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as { port: number };
    await prepare({ gateway: { [section]: section === 'server' ? { port } : { metrics_port: port } } });
    const process = gateway.begin();
    expect(await process.exited).toBe(1);
    expect(count(process.output(), `Port ${port} is in use`)).toBe(1);
    squatter.close();
  });

  it(
    'refuses fewer places at a provider than there are workers',
    async () => {
      await prepare({ provider: { max_concurrent: 1 } });
      const process = gateway.begin();
      expect(await process.exited).toBe(1);
      expect(process.output()).toContain('max_concurrent: must be at least 2, the number of workers');
    },
    DEADLINE_MS,
  );

  it(
    'ends quietly where it is told to before all serve',
    async () => {
      await prepare({});
      const process = gateway.begin();
      await waitUntil(() => gateway.workerPids().length > 0);
      process.child.kill('SIGTERM');
      expect(await process.exited).toBe(0);
      await waitUntil(() => gateway.survivors().length === 0);
    },
    DEADLINE_MS,
  );

  it(
    'goes on with those it has while another cannot start, and gives up when nobody is left',
    async () => {
      await prepare({});
      await gateway.spawn();
      gateway.writeFile('models.yaml', WRONG_MODELS);
      const [first, ...others] = gateway.workerPids();
      kill(first, 'SIGKILL');
      expect(await gateway.process.logged('worker could not start')).toMatchObject({
        reason: expect.stringContaining('primray'),
      });
      expect((await gateway.askMany(12)).every(({ status }) => status === 200)).toBe(true);
      gateway.writeConfig();
      await gateway.untilServing(2);

      gateway.writeFile('models.yaml', WRONG_MODELS);
      for (const pid of [...gateway.workerPids(), ...others]) kill(pid, 'SIGKILL');
      expect(await gateway.process.exited).toBe(1);
      expect(
        count(
          gateway.process
            .output()
            .split('\n')
            .filter((line) => !line.startsWith('{'))
            .join('\n'),
          'primray',
        ),
      ).toBe(1);
      expect(gateway.survivors()).toEqual([]);
    },
    DEADLINE_MS,
  );

  it(
    'makes the embedded database, and its tables, once',
    async () => {
      await prepare({ gateway: { database: { url: '' } } });
      // PostgreSQL runs under an account of its own, which has to reach its data.
      for (const folder of [gateway.folder, gateway.configDirectory]) chmodSync(folder, 0o755);
      await gateway.spawn();
      expect(gateway.process.output().match(/"msg":"Migrated the database/g)).toHaveLength(1);
      for (let turn = 0; turn < 4; turn++) {
        expect((await request(`${gateway.url}/aegis/v1/health/ready`)).statusCode).toBe(200);
      }
      gateway.process.child.kill('SIGTERM');
      expect(await gateway.process.exited).toBe(0);
      expect(gateway.survivors()).toEqual([]);
    },
    DEADLINE_MS,
  );
});
