import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** One request, as its client saw it. */
export interface Call {
  readonly id: string;
  readonly kind: 'answer' | 'stream';
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** `whole`, or what the client saw instead, e.g. `502 dependency_unavailable`, `cut` or `ended with shutting_down`. */
  readonly outcome: string;
}

export interface TrafficOptions {
  readonly url: string;
  readonly key: string;
  readonly clients: number;
  readonly streams: number;
}

let made = 0;

/** Clients that ask all the time, over connections that they keep, as the official libraries do but never again. */
export class Traffic {
  readonly calls: Call[] = [];
  private readonly agent = new Agent({ keepAliveTimeout: 30_000 });
  private readonly running: Promise<void>[];
  private isOver = false;

  constructor(private readonly options: TrafficOptions) {
    const run = async (kind: Call['kind']): Promise<void> => {
      while (!this.isOver) {
        this.calls.push(await ask(this.options.url, this.options.key, kind, this.agent));
        await delay(10);
      }
    };
    this.running = [
      ...Array.from({ length: options.clients }, () => run('answer')),
      ...Array.from({ length: options.streams }, () => run('stream')),
    ];
  }

  /** All calls, once the last one has ended. */
  async stop(): Promise<readonly Call[]> {
    this.isOver = true;
    await Promise.all(this.running);
    await this.agent.close();
    return this.calls;
  }
}

export async function ask(
  url: string,
  key: string,
  kind: Call['kind'],
  agent?: Agent,
  body: object = {},
): Promise<Call> {
  const id = `fleet-${++made}`;
  const startedAtMs = performance.now();
  let outcome: string;
  try {
    const answer = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': id },
      body: JSON.stringify({
        model: 'alias',
        stream: kind === 'stream',
        max_tokens: 6,
        messages: [{ role: 'user', content: id }],
        ...body,
      }),
      ...(agent ? { dispatcher: agent } : {}),
    });
    outcome = await outcomeOf(answer.statusCode, kind, answer.body);
  } catch (problem) {
    outcome = `no answer (${problem instanceof Error && 'code' in problem ? String(problem.code) : 'unknown'})`;
  }
  return { id, kind, startedAtMs, endedAtMs: performance.now(), outcome };
}

async function outcomeOf(status: number, kind: Call['kind'], body: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  let isCut = false;
  try {
    for await (const piece of body) text += String(piece);
  } catch {
    isCut = true;
  }
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? '';
  if (status !== 200) return `${status} ${code}`.trim();
  if (kind === 'stream' && text.endsWith('data: [DONE]\n\n') && !isCut) return 'whole';
  if (kind === 'answer' && text.endsWith('}') && !isCut) return 'whole';
  if (code === '') return 'cut';
  return endsWithItsOnlyError(text) ? `ended with ${code}` : `cut with ${code}`;
}

/** Whether the last event is an error, whole, and no other is, and none says that it is done: the connection is cut then. */
function endsWithItsOnlyError(text: string): boolean {
  const events = text.split('\n\n');
  const isError = (event: string | undefined): boolean => /^data: \{"error":/m.test(event ?? '');
  return events.pop() === '' && isError(events.pop()) && !events.some(isError) && !text.includes('[DONE]');
}

export const failedOf = (calls: readonly Call[]): Call[] => calls.filter(({ outcome }) => outcome !== 'whole');

/** `12 whole, 3 cut`. */
export function describeOutcomes(calls: readonly Call[]): string {
  const counts = new Map<string, number>();
  for (const { kind, outcome } of calls) {
    const name = outcome === 'whole' ? outcome : `${kind} ${outcome}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} ${name}`).join(', ') || 'none';
}

/** The value that this share of them does not exceed, rounded. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
}

/** A gateway that was killed. */
export interface Kill {
  readonly atMs: number;
  /** Requests it was answering, counted since then: what began before is among them, or is at another gateway. */
  readonly open: number;
  readonly countedAtMs: number;
  /** After which time the balancer sent it nothing more. */
  readonly noticedMs: number;
}

/** Calls by when they began: before a kill and not ended by then, before the balancer noticed it, or at any other time. */
export function sortByKill(
  calls: readonly Call[],
  kills: readonly Kill[],
): Record<'underWay' | 'between' | 'later', readonly Call[]> {
  const underWay = calls.filter((call) =>
    kills.some(({ atMs, countedAtMs }) => call.startedAtMs <= countedAtMs && call.endedAtMs >= atMs),
  );
  // Some began right after one kill and were under way at the next.
  const between = calls.filter(
    (call) =>
      !underWay.includes(call) &&
      kills.some(
        ({ atMs, countedAtMs, noticedMs }) => call.startedAtMs > countedAtMs && call.startedAtMs <= atMs + noticedMs,
      ),
  );
  return { underWay, between, later: calls.filter((call) => !underWay.includes(call) && !between.includes(call)) };
}
