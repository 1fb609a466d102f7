import { stringify } from 'yaml';
import { waitUntil } from '../../integration/auth/replica.js';
import { gatedStreamAnswer, ScriptableUpstream, streamAnswer } from '../../support/scriptable-upstream.js';
import { WorkerGateway } from '../../support/worker-gateway.js';
import { Cleanup } from '../support/cleanup.js';
import { Clients, failuresOf, isStreamWhole } from '../support/clients.js';
import { note } from '../support/notes.js';

const STREAMS = 50;
const RELOADS = 20;

describe('reloads of a process that is busy', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('row 58: 50 streams through 20 reloads, the last of which removes their provider: all end whole, then it is let go of', async () => {
    const gateway = await WorkerGateway.start({ workers: 1 });
    cleanup.add(() => gateway.close());
    const leaving = await ScriptableUpstream.start();
    cleanup.add(() => leaving.close());
    const provide = (names: readonly string[], aliases: readonly string[]): void => {
      const provider = (name: string): object => ({
        type: 'openai',
        base_url: `${name === 'leaving' ? leaving.url : gateway.upstream.url}/v1`,
        api_key: 'credential',
      });
      const target = (name: string): object => ({ provider: name, model: 'm', classification_ceiling: 'RESTRICTED' });
      const targets = aliases.map((alias) => [alias, { primary: target(alias === 'old' ? 'leaving' : 'only') }]);
      gateway.writeFile('pricing.yaml', stringify({ version: 'test', prices: names.map(freePrice) }));
      gateway.writeFile(
        'providers.yaml',
        stringify({ providers: Object.fromEntries(names.map((name) => [name, provider(name)])) }),
      );
      gateway.writeFile('models.yaml', stringify({ models: Object.fromEntries(targets) }));
      gateway.process.child.kill('SIGHUP');
    };
    const applied = (): Promise<number> => gateway.metric('aegis_config_reloads_total', 'outcome="applied"');
    const reload = async (names: readonly string[], aliases: readonly string[]): Promise<void> => {
      const before = await applied();
      provide(names, aliases);
      await waitUntil(async () => (await applied()) > before);
    };

    await reload(['only', 'leaving'], ['alias', 'old']);
    let end = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      end = resolve;
    });
    leaving.script(gatedStreamAnswer(gate));
    const streams = gateway.askMany(STREAMS, { model: 'old', stream: true });
    await waitUntil(async () => (await gateway.metric('aegis_streams_open')) === STREAMS);

    // Each on a connection of its own: whoever connects in the middle of a reload is served, too.
    const clients = Clients.start(gateway, { clients: 4 });
    const comers = Clients.start(gateway, { clients: 2, pauseMs: 0, isFresh: true });
    for (let round = 1; round < RELOADS; round += 1)
      await reload(['only', 'leaving'], ['alias', 'old', `round-${round}`]);
    await reload(['only'], ['alias']);
    expect((await gateway.ask({ model: 'old' })).status).toBe(404);
    await clients.answered(10);
    expect(leaving.requests).toHaveLength(STREAMS);
    expect(leaving.open).toBe(STREAMS);

    end();
    const ended = await streams;
    // Nothing keeps a connection to a provider that no configuration names.
    await Promise.all(leaving.requests.map(({ closed }) => closed));
    const answers = [...(await clients.stop()), ...(await comers.stop())];
    note(
      `${ended.filter(isStreamWhole).length} streams whole, ${answers.length} answers beside them, ${await applied()} reloads`,
    );
    expect(ended.filter(isStreamWhole)).toHaveLength(STREAMS);
    expect(failuresOf(answers)).toEqual([]);
    // What is there goes on: the same file, the same provider.
    leaving.script(streamAnswer(['back']));
    await reload(['only', 'leaving'], ['alias', 'old']);
    expect((await gateway.ask({ model: 'old', stream: true })).text).toContain('back');
  }, 120_000);
});

const freePrice = (provider: string): object => ({ provider, model: 'm', input: '0', output: '0' });
