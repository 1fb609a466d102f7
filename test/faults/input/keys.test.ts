import { connect, type Socket } from 'node:net';
import { crc32 } from 'node:zlib';
import { request } from 'undici';
import { generateApiKey } from '../../../src/auth/api-key.js';
import { startTestGateway, type TestGateway } from '../../support/gateway.js';
import { type GatewayProcess, spawnGateway } from '../../support/gateway-process.js';
import { pause } from '../support/fault-site.js';
import { residentMebibytes } from '../support/memory.js';
import { note } from '../support/notes.js';
import { codeOf, dial, exchange, readAnswers, requestText, type WireAnswer } from '../support/wire.js';

const FAILURES = 10;
const LOOKUPS = 10 * FAILURES;
const CHECKSUM_LENGTH = 7;

function ask(key: string, ...headers: readonly string[]): string {
  return requestText('GET /v1/models HTTP/1.1', ['host: x', `authorization: Bearer ${key}`, ...headers]);
}

const randomKey = () => generateApiKey('test').key;

async function counted(url: string, name: string, labels = ''): Promise<number> {
  const text = await (await request(url)).body.text();
  const samples = text.matchAll(new RegExp(`^${name}(\\{[^}]*${labels}[^}]*\\})? (\\S+)$`, 'gm'));
  return [...samples].reduce((sum, [, , value]) => sum + Number(value), 0);
}

describe('how long a key that is not valid takes', () => {
  const SAMPLES = 5_000;
  const KEYS = 8;
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ gateway: { auth: { max_failures_per_minute: 0, negative_ttl: '10m' } } });
  });
  afterAll(() => gateway.close());

  it('row 75: says nothing of how much of it is right', async () => {
    const near = Array.from({ length: KEYS }, (_, index) => makeNear(gateway.key, index));
    const far = Array.from({ length: KEYS }, randomKey);
    const alsoFar = Array.from({ length: KEYS }, randomKey);
    const classes = [near, far, alsoFar];
    const times: number[][] = [[], [], []];
    const socket = dial(gateway.url);
    // Once each: what is unknown is remembered, and no store is asked any more.
    for (const key of classes.flat()) await oneAnswer(key);
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      for (const [index, keys] of classes.entries()) {
        const startedAt = process.hrtime.bigint();
        await oneAnswer(keys[sample % KEYS] ?? '');
        times[index]?.push(Number(process.hrtime.bigint() - startedAt) / 1_000);
      }
    }
    socket.destroy();
    const [nearUs = 0, farUs = 0, alsoFarUs = 0] = times.map(median);
    note(`medians ${nearUs.toFixed(0)}, ${farUs.toFixed(0)} and ${alsoFarUs.toFixed(0)} µs`);
    const noiseUs = Math.max(Math.abs(farUs - alsoFarUs), farUs * 0.05);
    expect(Math.abs(nearUs - farUs)).toBeLessThan(3 * noiseUs);

    async function oneAnswer(key: string): Promise<void> {
      socket.write(ask(key));
      const [answer] = await readAnswers(socket, 1);
      expect(answer?.status).toBe(401);
    }
  }, 120_000);
});

/** A key with a right checksum of which only the last random character, and so the checksum, is not the valid one's. */
function makeNear(valid: string, index: number): string {
  const end = valid.length - CHECKSUM_LENGTH;
  const letters = 'abcdefghi'.replace(valid[end - 1] ?? '', '');
  const body = valid.slice(0, end - 1) + letters[index];
  return body + crc32(body).toString(36).padStart(CHECKSUM_LENGTH, '0');
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}

describe('an address that tries keys', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway({
      gateway: {
        auth: { max_failures_per_minute: FAILURES },
        server: { host: '127.0.0.1', port: 0, graceful_shutdown: '2s', trusted_proxies: ['127.0.0.2', '10.0.0.0/8'] },
      },
    });
  });
  afterEach(() => gateway.close());

  const statusOf = async (bytes: string): Promise<number> => {
    const { answers } = await exchange(gateway.url, bytes.replace('host: x', 'host: x\r\nconnection: close'));
    return answers[0]?.status ?? 0;
  };
  const statusesOf = async (count: number, make: (index: number) => string): Promise<number[]> => {
    const statuses: number[] = [];
    for (let index = 0; index < count; index += 1) statuses.push(await statusOf(make(index)));
    return statuses;
  };
  const refused = (count: number) => Array<number>(count).fill(401);

  it.each([
    ['keys that were never made', randomKey],
    ['what cannot be a key', () => 'guess'],
    ['the same unknown key', () => 'aegis-test-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  ])('row 76: is held back: %s', async (_name, make) => {
    const statuses = await statusesOf(FAILURES + 5, () => ask(make()));
    expect(statuses.slice(0, FAILURES)).toEqual(refused(FAILURES));
    // While the requests run one or two more are earned.
    expect(statuses.slice(FAILURES).filter((status) => status === 429).length).toBeGreaterThanOrEqual(3);
  });

  it('row 76: is told so in the envelope, with when to come back', async () => {
    await statusesOf(FAILURES, () => ask(randomKey()));
    let answer: WireAnswer | undefined;
    while (answer?.status !== 429) {
      [answer] = (await exchange(gateway.url, ask(randomKey(), 'connection: close'))).answers;
    }
    expect(codeOf(answer)).toBe('authentication_rate_limited');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(
      await counted(gateway.metricsUrl, 'aegis_errors_total', 'code="authentication_rate_limited"'),
    ).toBeGreaterThan(0);
  });

  it('row 76: a key that is known is served there all the same, and one that is not is after a while', async () => {
    expect(await statusOf(ask(gateway.key))).toBe(200);
    const other = await gateway.mintKey();
    await statusesOf(LOOKUPS + 20, () => ask(randomKey()));
    expect(await statusesOf(20, () => ask(gateway.key))).toEqual(Array(20).fill(200));
    while ((await statusOf(ask(other))) !== 200) await pause(500);
  }, 60_000);

  it('row 76: a client that repeats an old key, or sends nonsense, keeps no new key from being looked up', async () => {
    const old = gateway.unknownKey();
    await statusesOf(FAILURES * 2, (index) => ask(index % 2 === 0 ? old : 'nonsense'));
    expect(await statusOf(ask(await gateway.mintKey()))).toBe(200);
  });

  it('row 76: a thousand new keys cost no more look-ups than one address may have', async () => {
    const before = await counted(gateway.metricsUrl, 'aegis_key_lookups_total');
    const socket = dial(gateway.url);
    socket.write(Array.from({ length: 1_000 }, () => ask(randomKey())).join(''));
    const answers = await readAnswers(socket, 1_000);
    socket.destroy();
    expect(answers).toHaveLength(1_000);
    expect(answers.filter(({ status }) => status !== 401 && status !== 429)).toEqual([]);
    expect((await counted(gateway.metricsUrl, 'aegis_key_lookups_total')) - before).toBeLessThanOrEqual(LOOKUPS + 20);
  });

  it('row 76: who sends no key at all guesses none, and does not count', async () => {
    const without = requestText('GET /v1/models HTTP/1.1', ['host: x']);
    expect(await statusesOf(FAILURES * 2, () => without)).toEqual(refused(FAILURES * 2));
    expect(await statusOf(ask(randomKey()))).toBe(401);
  });

  it('row 76: cannot be another by saying so', async () => {
    const statuses = await statusesOf(FAILURES + 5, (index) =>
      ask(
        randomKey(),
        `x-forwarded-for: 198.51.100.${index}`,
        `x-real-ip: 198.51.100.${index}`,
        `forwarded: for=198.51.100.${index}`,
      ),
    );
    expect(statuses).toContain(429);
  });

  it('row 76: behind a proxy of ours is its client, and not what its client says', async () => {
    expect(await statusOf(ask(gateway.key))).toBe(200);
    // Whoever connects from 127.0.0.2 is in the list of proxies.
    const through = (forwardedFor: string, key = randomKey()): Promise<number> => {
      const socket = dialFrom('127.0.0.2', gateway.url);
      socket.write(ask(key, `x-forwarded-for: ${forwardedFor}`));
      return readAnswers(socket, 1).then(([answer]) => {
        socket.destroy();
        return answer?.status ?? 0;
      });
    };
    const attacker: number[] = [];
    for (let index = 0; index < FAILURES + 5; index += 1) {
      attacker.push(await through(`10.9.9.${index}, 198.51.100.${index}, 203.0.113.7, 10.0.0.1`));
    }
    expect(attacker).toContain(429);
    expect(await through('203.0.113.8')).toBe(401);
    // Of IPv6 all addresses of one /64 are one.
    const many: number[] = [];
    for (let index = 1; index < FAILURES + 5; index += 1)
      many.push(await through(`2001:db8:0:1::${index.toString(16)}`));
    expect(many).toContain(429);
    expect(await through('2001:db8:0:2::1')).toBe(401);
    expect(await through('203.0.113.7, 10.0.0.1', gateway.key)).toBe(200);
  });
});

function dialFrom(localAddress: string, url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), localAddress });
  socket.on('error', () => undefined);
  return socket;
}

describe('a flood of bad keys', () => {
  const KEYS = 50_000;
  const CONNECTIONS = 8;
  const BATCH = 50;
  let gateway: TestGateway;
  let child: GatewayProcess;
  beforeAll(async () => {
    gateway = await startTestGateway();
    const telemetry = { metrics_host: '127.0.0.1', metrics_port: 0, log_level: 'info' };
    expect(await gateway.reload({ gateway: { telemetry } })).toBe('applied');
  });
  afterAll(async () => {
    child?.child.kill('SIGKILL');
    await child?.exited;
    await gateway.close();
  });

  it(`row 76: ${KEYS} distinct ones: memory stays flat, the stores are hardly asked`, async () => {
    child = spawnGateway({ AEGIS_CONFIG_DIR: gateway.configDirectory });
    const { url: listens, metricsUrl: counts } = await child.logged('gateway is listening');
    const [url, metricsUrl] = [String(listens), String(counts)];
    const known = ask(gateway.key, 'connection: close');
    expect((await exchange(url, known)).answers[0]?.status).toBe(200);
    await flood(url, 5_000);
    const residentBefore = residentMebibytes(child);
    const lookupsBefore = await counted(metricsUrl, 'aegis_key_lookups_total');
    const startedAtMs = performance.now();
    await flood(url, KEYS);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    const lookups = (await counted(metricsUrl, 'aegis_key_lookups_total')) - lookupsBefore;
    const grown = residentMebibytes(child) - residentBefore;
    note(`${Math.round(KEYS / seconds)}/s, ${lookups} look-ups, ${grown.toFixed(0)} MiB more`);
    // A thousand a minute, which is what an address may have, whatever it sends.
    expect(lookups).toBeLessThan(1_100 + seconds * 20);
    expect(grown).toBeLessThan(128);
    expect((await exchange(url, known)).answers[0]?.status).toBe(200);
  }, 180_000);

  async function flood(url: string, count: number): Promise<void> {
    const each = count / CONNECTIONS / BATCH;
    const run = async (): Promise<void> => {
      const socket = dial(url);
      for (let batch = 0; batch < each; batch += 1) {
        socket.write(Array.from({ length: BATCH }, () => ask(randomKey())).join(''));
        const answers = await readAnswers(socket, BATCH);
        expect(answers.filter(({ status }) => status !== 401 && status !== 429)).toEqual([]);
      }
      socket.destroy();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, run));
  }
});
