import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { request } from 'undici';
import { stringify } from 'yaml';
import { findFreePort } from './ports.js';

/** The answer to a query: each series with what it had at each time; NaN and infinities are left out. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface TestPrometheus {
  readonly url: string;
  /** What a panel would draw of the last so many seconds. Throws where Prometheus does not understand the query. */
  query(expression: string, seconds: number): Promise<readonly Series[]>;
  /** The part `data` of an answer of its HTTP API. */
  get<T>(pathAndQuery: string): Promise<T>;
  close(): Promise<void>;
}

const READY_DEADLINE_MS = 20_000;
const STEP_SECONDS = 1;

const program = process.env.AEGIS_TEST_PROMETHEUS ?? '';

/** A suite that needs Prometheus' own program. A machine without it names the suite as not run, and CI fails there. */
export function describeWithPrometheus(name: string, suite: () => void): void {
  (program === '' ? describe.skip : describe)(program === '' ? `${name} (no prometheus on the PATH)` : name, suite);
}

/** What `promtool`, which comes with Prometheus, prints; throws with all of it where it fails. */
export function runPromtool(...parameters: string[]): string {
  const promtool = path.join(path.dirname(program), 'promtool');
  return execFileSync(promtool, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A Prometheus on a free port of the loopback interface that scrapes the targets each second. */
export async function startPrometheus(options: {
  /** `host:port`, under the job `aegis`. */
  readonly targets: readonly string[];
  /** The text of a file of rules. */
  readonly rules?: string;
}): Promise<TestPrometheus> {
  const folder = mkdtempSync(path.join(tmpdir(), 'aegis-prometheus-'));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: options.rules === undefined ? [] : ['rules.yml'],
    scrape_configs: [{ job_name: 'aegis', static_configs: [{ targets: options.targets }] }],
  };
  await writeFile(path.join(folder, 'prometheus.yml'), stringify(config));
  if (options.rules !== undefined) await writeFile(path.join(folder, 'rules.yml'), options.rules);

  const address = `127.0.0.1:${await findFreePort()}`;
  const server = spawn(
    program,
    [
      `--config.file=${path.join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  server.stderr.on('data', (text) => {
    said += text;
  });
  const url = `http://${address}`;
  await untilReady(server, url, () => said);

  const get = async <T>(pathAndQuery: string): Promise<T> => {
    const answer = await request(`${url}${pathAndQuery}`);
    const body = (await answer.body.json()) as { status: string; error?: string; data: T };
    if (body.status !== 'success') throw new Error(`Prometheus: ${body.error ?? answer.statusCode}`);
    return body.data;
  };
  return {
    url,
    get,
    query: async (expression, seconds) => {
      const end = Date.now() / 1000;
      const search = new URLSearchParams({
        query: expression,
        start: String(end - seconds),
        end: String(end),
        step: String(STEP_SECONDS),
      });
      const { result } = await get<{ result: RangeSeries[] }>(`/api/v1/query_range?${search.toString()}`);
      return result.map(({ metric, values }) => ({
        labels: metric,
        values: values.map(([, value]) => Number(value)).filter(Number.isFinite),
      }));
    },
    close: async () => {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface RangeSeries {
  readonly metric: Record<string, string>;
  readonly values: [time: number, value: string][];
}

async function untilReady(server: ChildProcess, url: string, said: () => string): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (server.exitCode === null && Date.now() < deadline) {
    const status = await request(`${url}/-/ready`).then(
      async ({ statusCode, body }) => body.dump().then(() => statusCode),
      () => 0,
    );
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  server.kill('SIGKILL');
  throw new Error(`prometheus does not start: ${said()}`);
}
