import { APIError } from 'openai';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import { Agent, request } from 'undici';
import { cutsOf } from './conformance-cuts.js';
import { classOf, type ExpectedError, restates } from './conformance-errors.js';
import {
  ANY_FINISH,
  type Expectation,
  expectationOf,
  findCount,
  isSame,
  LEGAL_FINISHES,
} from './conformance-expectation.js';
import { chunkFaults, type RawAnswer, readStream, usageIn, withoutTime } from './conformance-output.js';
import { meaningOf, readRecorded, type ToldChoice } from './conformance-reading.js';
import { respellings, seedOf, splits, type Variant } from './conformance-variants.js';
import type { TestGateway } from './gateway.js';
import type { OpenAiSchema } from './openai-schema.js';
import type { RecordedCase, Recording } from './recordings.js';
import type { Replay, ReplayToken, ReplayUpstream } from './replay-upstream.js';

/** What came of one recording. */
export interface Outcome {
  /** Why it does not pass; empty where it does. */
  readonly problems: readonly string[];
  /** Which rules other than "as the oracle says" were used, and how often. */
  readonly rules: ReadonlyMap<string, number>;
}

const CONCURRENCY = 16;
const SEEDS_OF_STREAMS = 3;
const MAX_PROBLEMS = 8;

type Answered = Extract<Expectation, { kind: 'answer' }>;

/** Plays recordings to a gateway and holds what the client gets against what it has to get. */
export class ConformanceCheck {
  private readonly agent = new Agent({ connections: CONCURRENCY });

  constructor(
    private readonly gateway: TestGateway,
    private readonly upstream: ReplayUpstream,
    private readonly schema: OpenAiSchema,
  ) {}

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  async run(recorded: RecordedCase): Promise<Outcome> {
    return new CheckOfOne(recorded, this.gateway, this.upstream, this.schema, this.agent).run();
  }
}

class CheckOfOne {
  private readonly problems: string[] = [];
  private readonly rules = new Map<string, number>();
  private readonly recording: Recording;
  private readonly alias: string;
  private readonly requestId: string;

  constructor(
    private readonly recorded: RecordedCase,
    private readonly gateway: TestGateway,
    private readonly upstream: ReplayUpstream,
    private readonly schema: OpenAiSchema,
    private readonly agent: Agent,
  ) {
    this.recording = recorded.recording;
    this.alias = aliasOf(this.recording);
    // The same for every replay, so that ids made of it are the same too.
    this.requestId = `conformance-${seedOf(this.recording.id)}`;
  }

  async run(): Promise<Outcome> {
    const expectation = expectationOf(this.recorded);
    if (expectation.kind === 'unclassified') {
      return { problems: [`cannot be classified: ${expectation.reason}`], rules: this.rules };
    }
    for (const rule of expectation.rules) this.countRule(rule);
    const { stream } = this.recording;
    const baseline = await this.baseline();
    if (expectation.kind === 'error') {
      this.checkRawError(baseline, expectation.error);
      await this.stage('the SDK', () => this.sdkError(expectation.error));
    } else if (stream) {
      this.checkRawStream(baseline, expectation);
      await this.stage('the SDK, iterating', () => this.sdkChunks(expectation));
      await this.stage('the SDK, collecting', () => this.sdkCollected(expectation));
    } else {
      await this.stage('the SDK', () => this.sdkCompletion(expectation));
    }
    await this.stage('split', () => this.checkVariants(baseline));
    if (stream && this.recording.status === 200) await this.stage('cut', () => this.checkCuts(baseline));
    if (!stream && expectation.kind === 'answer') await this.stage('cut', () => this.checkCutJson());
    const { length } = this.problems;
    const shown =
      length > MAX_PROBLEMS
        ? [...this.problems.slice(0, MAX_PROBLEMS), `and ${length - MAX_PROBLEMS} more`]
        : this.problems;
    return { problems: shown, rules: this.rules };
  }

  private async stage(name: string, check: () => Promise<void>): Promise<void> {
    try {
      await check();
    } catch (thrown) {
      this.problems.push(`${name}: ${thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)}`);
    }
  }

  private countRule(rule: string): void {
    this.rules.set(rule, (this.rules.get(rule) ?? 0) + 1);
  }

  private replay(pieces: readonly Buffer[], ending: Replay['ending'] = 'complete'): Replay {
    return { status: this.recording.status, headers: this.recording.replay_headers, pieces, ending };
  }

  private body(token: ReplayToken) {
    return { model: this.alias, messages: [{ role: 'user' as const, content: token }] };
  }

  private ask(replay: Replay): Promise<RawAnswer> {
    return this.upstream.during(replay, async (token) => {
      const { stream } = this.recording;
      const body = { ...this.body(token), ...(stream && { stream, stream_options: { include_usage: true } }) };
      const answer = await request(`${this.gateway.url}/v1/chat/completions`, {
        method: 'POST',
        dispatcher: this.agent,
        headers: {
          authorization: `Bearer ${this.gateway.key}`,
          'content-type': 'application/json',
          'x-request-id': this.requestId,
        },
        body: JSON.stringify(body),
      });
      return { status: answer.statusCode, ...(await readToEnd(answer.body)) };
    });
  }

  private baseline(): Promise<RawAnswer> {
    return this.ask(this.replay([Buffer.from(this.recording.body_text)]));
  }

  private checkRawStream(baseline: RawAnswer, expected: Answered): void {
    if (baseline.status !== 200) {
      this.problems.push(`status ${baseline.status} instead of a stream: ${baseline.text.slice(0, 200)}`);
      return;
    }
    const { chunks, error, faults } = readStream(baseline);
    this.problems.push(...faults);
    if (error) this.problems.push(`an error instead of a whole stream: ${JSON.stringify(error).slice(0, 200)}`);
    this.problems.push(...chunkFaults(chunks, { schema: this.schema, alias: this.alias, usageAsked: true }));
    this.compare('', toldByStream(chunks), expected.choices);
    this.compareUsage(usageIn(chunks), expected);
  }

  private async sdkChunks(expected: Answered): Promise<void> {
    const chunks: ChatCompletionChunk[] = [];
    await this.upstream.during(this.replay([Buffer.from(this.recording.body_text)]), async (token) => {
      const stream = await this.gateway.openai().chat.completions.create({ ...this.body(token), stream: true });
      for await (const chunk of stream) chunks.push(chunk);
    });
    const faults = chunkFaults(chunks, { schema: this.schema, alias: this.alias, usageAsked: false });
    this.problems.push(...faults.map((fault) => `the SDK, iterating: ${fault}`));
    this.compare('the SDK, iterating: ', toldByStream(chunks), expected.choices);
  }

  private async sdkCollected(expected: Answered): Promise<void> {
    const completion = await this.upstream.during(this.replay([Buffer.from(this.recording.body_text)]), (token) =>
      this.gateway
        .openai()
        .chat.completions.stream({ ...this.body(token), stream_options: { include_usage: true } })
        .finalChatCompletion(),
    );
    // The SDK keeps the last delta of a field it does not know: reasoning is compared where its deltas are at hand.
    const told = toldByCompletion(completion).map((choice, position) => ({
      ...choice,
      reasoning: expected.choices[position]?.reasoning ?? '',
    }));
    this.compare('the SDK, collecting: ', told, expected.choices);
    this.compareUsage(completion.usage ?? null, expected);
  }

  private async sdkCompletion(expected: Answered): Promise<void> {
    const completion = await this.upstream.during(this.replay([Buffer.from(this.recording.body_text)]), (token) =>
      this.gateway.openai().chat.completions.create(this.body(token)),
    );
    this.problems.push(...this.schema.checkCompletion(completion).map((fault) => `schema: ${fault}`));
    if (completion.model !== this.alias) this.problems.push(`model is ${completion.model}, not the alias`);
    this.compare('', toldByCompletion(completion), expected.choices);
    this.compareUsage(completion.usage ?? null, expected);
  }

  private compare(place: string, actual: readonly ToldChoice[], expected: readonly ToldChoice[]): void {
    if (actual.length !== expected.length) {
      this.problems.push(`${place}${actual.length} choices, expected ${expected.length}`);
    }
    expected.forEach((choice, position) => {
      const told = actual[position];
      if (!told) return;
      for (const key of Object.keys(choice) as (keyof ToldChoice)[]) {
        if (key === 'finish' && choice.finish === ANY_FINISH && LEGAL_FINISHES.includes(told.finish ?? '')) continue;
        if (isSame(told[key], choice[key])) continue;
        this.problems.push(
          `${place}choice ${choice.index}: ${key} is ${brief(told[key])}, expected ${brief(choice[key])}`,
        );
      }
    });
  }

  private compareUsage(actual: unknown, { usage: expected }: Answered): void {
    if (!expected) {
      if (actual !== null) this.problems.push(`usage is ${brief(actual)}, expected none`);
      return;
    }
    for (const [path, count] of Object.entries(expected)) {
      const told = findCount(actual, path);
      if (told !== count) this.problems.push(`usage.${path} is ${told ?? 'absent'}, expected ${count}`);
    }
  }

  private checkRawError(baseline: RawAnswer, expected: ExpectedError): void {
    if (baseline.status === 200) {
      const { error, faults } = readStream(baseline);
      this.problems.push(...faults);
      if (!error) this.problems.push('a clean end where an error is expected');
      else this.checkEnvelope(error, expected);
      return;
    }
    if (baseline.status !== expected.status)
      this.problems.push(`status ${baseline.status}, expected ${expected.status}`);
    const envelope = meaningOf(baseline.text) as { error?: Record<string, unknown> };
    this.checkEnvelope(envelope.error ?? {}, expected);
  }

  private checkEnvelope(error: Readonly<Record<string, unknown>>, expected: ExpectedError): void {
    const message = String(error.message ?? '');
    if (message === '') this.problems.push('an error without a message');
    if (error.type !== expected.type) this.problems.push(`error type is ${error.type}, expected ${expected.type}`);
    if (error.code !== expected.code) this.problems.push(`error code is ${error.code}, expected ${expected.code}`);
    if (error.request_id !== this.requestId) this.problems.push('the error does not name the request');
    if (expected.words !== null && !restates(message, expected.words)) {
      this.problems.push(`error message is ${brief(message)}, expected ${brief(expected.words)}`);
    }
    if (expected.secretWords && message.includes(expected.secretWords)) {
      this.problems.push("the provider's own words are told, and they are not for the caller");
    }
  }

  private async sdkError(expected: ExpectedError): Promise<void> {
    const problem = await this.upstream.during(
      this.replay([Buffer.from(this.recording.body_text)]),
      async (token): Promise<unknown> => {
        const { completions } = this.gateway.openai().chat;
        const body = this.body(token);
        const asked = this.recording.stream ? completions.stream(body).finalChatCompletion() : completions.create(body);
        return asked.then(
          () => null,
          (thrown: unknown) => thrown,
        );
      },
    );
    if (!(problem instanceof APIError)) {
      this.problems.push(`the SDK: ${problem === null ? 'no error at all' : `not an API error: ${String(problem)}`}`);
      return;
    }
    const { status, type, code } = problem;
    if (status !== undefined) {
      if (status !== expected.status) this.problems.push(`the SDK: status ${status}, expected ${expected.status}`);
      const expectedClass = classOf(expected.status);
      if (problem.constructor.name !== expectedClass) {
        this.problems.push(`the SDK: ${problem.constructor.name}, expected ${expectedClass}`);
      }
      const { error: stated } = this.recorded.oracle;
      if (
        status === this.recording.status &&
        stated?.class &&
        stated.status === status &&
        stated.class !== expectedClass
      ) {
        this.countRule("the oracle's class is one that the openai SDK lacks");
      }
      if (!problem.requestID) this.problems.push('the SDK: no request id');
    }
    if ((type ?? null) !== expected.type) this.problems.push(`the SDK: type is ${type}, expected ${expected.type}`);
    if ((code ?? null) !== expected.code) this.problems.push(`the SDK: code is ${code}, expected ${expected.code}`);
  }

  private async checkVariants(baseline: RawAnswer): Promise<void> {
    const { body_text: body, stream, status, id } = this.recording;
    const seed = seedOf(id);
    const seeds = Array.from({ length: stream ? SEEDS_OF_STREAMS : 1 }, (_none, count) => (seed + count) >>> 0);
    // A stream that ends inside an event would not end there with comments in between.
    const canRespell = stream && status === 200 && /(?:\r\n\r\n|\n\r?\n|\r\r)\s*$/.test(body);
    const variants = [...splits(body, seeds), ...(canRespell ? respellings(body) : [])];
    await inParallel(variants, async (variant) => {
      const answer = await this.ask(this.replay(variant.pieces));
      const difference = differenceBetween(baseline, answer, variant);
      if (difference) this.problems.push(`${variant.name}: ${difference}`);
    });
  }

  private async checkCuts(baseline: RawAnswer): Promise<void> {
    const whole = baseline.status === 200 ? withoutTime(readStream(baseline).before) : '';
    const cuts = cutsOf(this.recording).flatMap((cut) => [
      { ...cut, ending: 'complete' as const },
      { ...cut, ending: 'reset' as const },
    ]);
    await inParallel(cuts, async ({ place, part, exempt, ending }) => {
      const answer = await this.ask(this.replay([Buffer.from(part)], ending));
      const name = `cut ${place} of ${this.recording.body_text.length} characters, ${ending === 'reset' ? 'connection reset' : 'ended as if whole'}`;
      if (exempt && ending === 'complete') this.countRule(exempt);
      const problem = this.cutProblem(answer, part, exempt !== null, ending, whole);
      if (problem) this.problems.push(`${name}: ${problem}`);
    });
  }

  private cutProblem(
    answer: RawAnswer,
    part: string,
    isExempt: boolean,
    ending: Replay['ending'],
    whole: string,
  ): string | null {
    const reading = readRecorded(this.recording.api, true, part);
    if (answer.status !== 200) {
      if (isExempt && ending === 'complete') return `status ${answer.status} for a part that is whole`;
      const isExpected = answer.status === 502 && /"code":"upstream_/.test(answer.text);
      // The part may end with an error of the provider's own, which has a status of its own.
      return isExpected || reading.state === 'failed' ? null : `status ${answer.status}: ${answer.text.slice(0, 160)}`;
    }
    const { before, error, faults, chunks } = readStream(answer);
    if (faults.length > 0) return faults.join('; ');
    if (error) {
      if (isExempt && ending === 'complete') return `an error for a part that is whole: ${brief(error)}`;
      if (!String(error.code).startsWith('upstream_') && reading.state !== 'failed') return `error ${brief(error)}`;
      return whole.startsWith(withoutTime(before)) ? null : 'what came before the error is no beginning of the whole';
    }
    if (!isExempt) return 'a clean end';
    const saysTheSame = toldByStream(chunks).every((choice, position) => {
      const { text, reasoning, tools } = choice;
      const other = reading.choices[position];
      return (
        other &&
        isSame({ text, reasoning, tools }, { text: other.text, reasoning: other.reasoning, tools: other.tools })
      );
    });
    return saysTheSame ? null : 'a clean end, and words are missing that the part holds';
  }

  private async checkCutJson(): Promise<void> {
    const body = Buffer.from(this.recording.body_text.trimEnd());
    const ends = [0, 0.25, 0.5, 0.75].map((share) => Math.floor(body.length * share)).concat(body.length - 1);
    const cuts = [
      ...ends.map((end) => ({ end, ending: 'complete' as const })),
      ...ends.concat(body.length).map((end) => ({ end, ending: 'reset' as const })),
    ];
    await inParallel(cuts, async ({ end, ending }) => {
      const answer = await this.ask(this.replay([body.subarray(0, end)], ending));
      if (answer.status === 502 && /"error":\s*\{/.test(answer.text)) return;
      const name = `cut after ${end} of ${body.length} bytes, ${ending === 'reset' ? 'connection reset' : 'ended as if whole'}`;
      this.problems.push(`${name}: status ${answer.status} instead of 502`);
    });
  }
}

/** Which of the gateway's models stands for the provider that a recording came from. */
function aliasOf({ api, provider }: Recording): string {
  if (api === 'messages') return 'anthropic';
  return ['openai', 'azure', 'vllm'].includes(provider) ? provider : 'compatible';
}

function toldByStream(chunks: readonly unknown[]): readonly ToldChoice[] {
  const events = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`);
  return readRecorded('chat.completions', true, events.join('')).choices;
}

function toldByCompletion(completion: ChatCompletion): readonly ToldChoice[] {
  return readRecorded('chat.completions', false, JSON.stringify(completion)).choices;
}

function differenceBetween(baseline: RawAnswer, answer: RawAnswer, { byteForByte }: Variant): string | null {
  if (answer.status !== baseline.status) return `status ${answer.status} instead of ${baseline.status}`;
  if (answer.clean !== baseline.clean) return answer.clean ? 'a clean end' : 'the connection breaks';
  const expected = withoutTime(baseline.text);
  const actual = withoutTime(answer.text);
  if (actual === expected) return null;
  if (!byteForByte && isSame(meaningsOf(actual), meaningsOf(expected)))
    return readStream(answer).faults.join('; ') || null;
  const from = [...expected].findIndex((character, place) => character !== actual[place]);
  return `other output from character ${from} on: ${brief(actual.slice(Math.max(0, from - 20), from + 60))}`;
}

function meaningsOf(text: string): unknown[] {
  return text.split('\n\n').map((event) => meaningOf(event.replace(/^data: /, '')));
}

async function readToEnd(body: AsyncIterable<Buffer>): Promise<{ text: string; clean: boolean }> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of body) pieces.push(piece);
    return { text: Buffer.concat(pieces).toString('utf8'), clean: true };
  } catch {
    return { text: Buffer.concat(pieces).toString('utf8'), clean: false };
  }
}

async function inParallel<T>(items: readonly T[], use: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await use(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
