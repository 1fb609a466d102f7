import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { APIError } from 'openai';
import { request } from 'undici';
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../support/gateway-process.js';
import { brokenStreamAnswer, ScriptableUpstream, streamAnswer } from '../support/scriptable-upstream.js';

/** The built gateway in a process of its own, against the configuration and database of an in-process one. */
describe('the life of the process', () => {
  let upstream: ScriptableUpstream;
  let host: TestGateway;
  const running = new Set<GatewayProcess>();

  const config = (gracefulShutdown: string): TestConfig => ({
    gateway: {
      server: { host: '127.0.0.1', port: 0, graceful_shutdown: gracefulShutdown },
      telemetry: { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' },
    },
    providers: { only: { type: 'openai', base_url: `${upstream.url}/v1`, api_key: 'credential' } },
    models: { alias: { primary: { provider: 'only', model: 'm', classification_ceiling: 'INTERNAL' } } },
    freeModels: ['only/m'],
  });

  beforeAll(async () => {
    upstream = await ScriptableUpstream.start();
    host = await startTestGateway();
  });
  afterEach(async () => {
    for (const gateway of running) {
      gateway.child.kill('SIGKILL');
      await gateway.exited;
    }
    running.clear();
  });
  afterAll(async () => {
    await host.close();
    await upstream.close();
  });

  async function start(gracefulShutdown = '20s'): Promise<{ gateway: GatewayProcess; openai: OpenAI; url: string }> {
    await host.reload(config(gracefulShutdown));
    const gateway = spawnGateway({ AEGIS_CONFIG_DIR: host.configDirectory });
    running.add(gateway);
    const { url } = await gateway.logged('gateway is listening');
    const openai = new OpenAI({ apiKey: host.key, baseURL: `${String(url)}/v1`, maxRetries: 0 });
    return { gateway, openai, url: String(url) };
  }

  const openStream = (openai: OpenAI) =>
    openai.chat.completions.create({ model: 'alias', stream: true, messages: [{ role: 'user', content: 'hi' }] });

  // Before its 24th version Node names no threads, and none is treated apart.
  it("lets V8's helpers give way to the thread that serves, and no other", async () => {
    const { gateway } = await start();
    const tasks = `/proc/${gateway.child.pid}/task`;
    const threads = readdirSync(tasks).map((thread) => ({
      name: readFileSync(`${tasks}/${thread}/comm`, 'latin1').trim(),
      // The 19th field; the name before it may hold blanks.
      niceness: Number(readFileSync(`${tasks}/${thread}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[16]),
    }));
    expect(threads.length).toBeGreaterThan(4);
    const own = threads[0]?.niceness ?? Number.NaN;
    const wanted = ({ name }: { name: string }): number => (name === 'V8Worker' ? Math.max(own, 5) : own);
    expect(threads).toEqual(threads.map((thread) => ({ ...thread, niceness: wanted(thread) })));
    expect(threads.some(({ name }) => name === 'V8Worker')).toBe(Number(process.versions.node.split('.')[0]) >= 24);
  });

  it('lets as many connections wait to be accepted as the system does, where Node would lose them past 511', async () => {
    const { gateway, url } = await start();
    const systemsMost = Number(readFileSync('/proc/sys/net/core/somaxconn', 'latin1'));
    gateway.child.kill('SIGSTOP');
    let made = 0;
    const sockets = Array.from({ length: Math.min(800, systemsMost) }, () =>
      connect(Number(new URL(url).port), '127.0.0.1', () => {
        made += 1;
      }),
    );
    // One that finds no room is tried again after a second.
    await sleep(800);
    expect(made).toBe(sockets.length);
    for (const socket of sockets) socket.destroy();
    gateway.child.kill('SIGCONT');
  });

  it('finishes a stream that runs when SIGTERM comes, and exits 0', async () => {
    upstream.script({ ...streamAnswer(['a', 'b', 'c', 'd', 'e']), pieceDelayMs: 100 });
    const { gateway, openai, url } = await start();
    const stream = await openStream(openai);
    let text = '';
    let refused: number | undefined;
    for await (const chunk of stream) {
      if (refused === undefined) {
        gateway.child.kill('SIGTERM');
        await gateway.logged('shutting down');
        const answer = await request(`${url}/v1/models`, { headers: { authorization: `Bearer ${host.key}` } });
        expect(await answer.body.json()).toMatchObject({ error: { code: 'shutting_down' } });
        refused = answer.statusCode;
        expect((await request(`${url}/aegis/v1/health/ready`)).statusCode).toBe(503);
        expect((await request(`${url}/aegis/v1/health/live`)).statusCode).toBe(200);
      }
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toBe('abcde');
    expect(refused).toBe(503);
    expect(await gateway.exited).toBe(0);
  });

  it('ends a stream that takes too long with an error, and still exits 0', async () => {
    upstream.script(brokenStreamAnswer(['a'], 'stall'));
    const { gateway, openai } = await start('300ms');
    const stream = await openStream(openai);
    const reading = (async () => {
      let signalled = false;
      for await (const _chunk of stream) {
        if (!signalled) gateway.child.kill('SIGTERM');
        signalled = true;
      }
    })();
    const error = await reading.catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'shutting_down' });
    expect(await gateway.exited).toBe(0);
  });

  it('tells whoever still waits for a first word, drops a body that never comes, and still exits 0', async () => {
    upstream.script({ refuse: 'hang' });
    const { gateway, openai, url } = await start('300ms');
    upstream.forget();
    const { hostname, port } = new URL(url);
    const halfSent = connect(Number(port), hostname);
    halfSent.on('error', () => undefined);
    halfSent.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${host.key}\r\n` +
        'content-type: application/json\r\ncontent-length: 100\r\n\r\n{"model":',
    );
    const waiting = openai.chat.completions
      .create({ model: 'alias', messages: [{ role: 'user', content: 'hi' }] })
      .catch((problem: unknown) => problem);
    await upstream.request();
    gateway.child.kill('SIGTERM');
    expect(await waiting).toMatchObject({ status: 503, code: 'shutting_down' });
    expect(await gateway.exited).toBe(0);
  });

  it('does not wait for a connection that never says what it wants', async () => {
    const { gateway, url } = await start('300ms');
    const { hostname, port } = new URL(url);
    const silent = connect(Number(port), hostname);
    silent.on('error', () => undefined);
    silent.write('GET /v1/models HTTP/1.1\r\nHost: x\r\n');
    await request(`${url}/aegis/v1/health/live`).then(({ body }) => body.dump());
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
  });

  it('says in the log why it refuses new files, long after its start', async () => {
    const { gateway } = await start();
    writeFileSync(join(host.configDirectory, 'models.yaml'), 'models: {');
    gateway.child.kill('SIGHUP');
    while (!gateway.output().includes('Configuration change refused')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(gateway.output()).toContain('models.yaml:1');
    expect(gateway.output()).not.toContain('credential');
  });

  it('logs one line a request, with the facts and without the words', async () => {
    upstream.script(streamAnswer(['swordfish']));
    const { gateway, openai } = await start();
    await openai.chat.completions
      .stream({ model: 'alias', messages: [{ role: 'user', content: 'the secret of the fisherman' }] })
      .finalChatCompletion();
    const entry = await gateway.logged('request');
    expect(entry).toMatchObject({
      level: 'info',
      status: 200,
      complete: true,
      route: '/v1/chat/completions',
      organization: 'acme',
      team: 'core',
      model: 'alias',
      provider: 'only',
      servedModel: 'm',
      attempts: 1,
      stream: true,
      classification: 'INTERNAL',
      promptTokens: 9,
      completionTokens: 3,
      costNanoUsd: '0',
    });
    const everything = gateway.output();
    for (const word of ['swordfish', 'fisherman', host.key, 'credential']) expect(everything).not.toContain(word);
  });

  it('says everything that is wrong with its configuration and exits 1', async () => {
    await host.reload(config('20s'));
    writeFileSync(join(host.configDirectory, 'models.yaml'), 'models:\n  a:\n    primray: {provider: openai}\n');
    writeFileSync(
      join(host.configDirectory, 'providers.yaml'),
      'providers:\n  p: {type: openai, base_url: nowhere}\n  q: {type: opneai}\n',
    );
    const gateway = spawnGateway({ AEGIS_CONFIG_DIR: host.configDirectory });
    running.add(gateway);
    expect(await gateway.exited).toBe(1);
    for (const part of ['models.yaml:3', 'primray', 'providers.yaml:2', 'base_url', 'providers.yaml:3', 'opneai']) {
      expect(gateway.output()).toContain(part);
    }
  });

  it('says which port is taken and exits 1', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    const { port } = squatter.address() as { port: number };
    const taken = config('20s');
    await host.reload({ ...taken, gateway: { ...taken.gateway, server: { host: '127.0.0.1', port } } });
    const gateway = spawnGateway({ AEGIS_CONFIG_DIR: host.configDirectory });
    running.add(gateway);
    expect(await gateway.exited).toBe(1);
    expect(gateway.output()).toContain(`Port ${port} is in use`);
    squatter.close();
  });

  it('refuses to start in production without a database, and with the simulator', async () => {
    const gateway = spawnGateway({ NODE_ENV: 'production', AEGIS_CONFIG_DIR: join(process.cwd(), 'config') });
    running.add(gateway);
    expect(await gateway.exited).toBe(1);
    expect(gateway.output()).toContain('simulator');
    expect(gateway.output()).toContain('database');
  });
});
