import { APIError } from 'openai';
import { Agent } from 'undici';
import { type GatewayUnderTest, ReplayClient } from './conformance-client.js';
import {
  brief,
  compareAnswers,
  compareChoices,
  compareError,
  compareThrown,
  compareUsage,
  toldByCompletion,
  toldByStream,
} from './conformance-comparison.js';
import { type Cut, cutsOf } from './conformance-cuts.js';
import type { ExpectedError } from './conformance-errors.js';
import { type Expectation, expectationOf, isSame } from './conformance-expectation.js';
import { chunkFaults, type RawAnswer, readStream, usageIn, withoutTime } from './conformance-output.js';
import { readRecorded } from './conformance-reading.js';
import { endsBlank } from './conformance-told.js';
import { respellings, seedOf, splits } from './conformance-variants.js';
import type { OpenAiSchema } from './openai-schema.js';
import type { RecordedCase } from './recordings.js';
import type { Replay, ReplayUpstream } from './replay-upstream.js';

/** What came of one recording. */
export interface Outcome {
  /** Why it does not pass; empty where it does. */
  readonly problems: readonly string[];
  /** Which rules other than "as the oracle says" were used, and how often. */
  readonly rules: ReadonlyMap<string, number>;
}

const CONCURRENCY = 16;
const SEEDS_OF_STREAMS = 3;
const ENDINGS = ['complete', 'reset'] as const;

type Answered = Extract<Expectation, { kind: 'answer' }>;

/** Plays recordings to a gateway and holds what the client gets against what it has to get. */
export class ConformanceCheck {
  private readonly agent = new Agent({ connections: CONCURRENCY });

  constructor(
    private readonly gateway: GatewayUnderTest,
    private readonly upstream: ReplayUpstream,
    private readonly schema: OpenAiSchema,
  ) {}

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  async run(recorded: RecordedCase): Promise<Outcome> {
    const client = new ReplayClient(recorded.recording, this.gateway, this.upstream, this.agent);
    return new CheckOfOne(recorded, client, this.schema).run();
  }
}

class CheckOfOne {
  private readonly problems: string[] = [];
  private readonly rules = new Map<string, number>();

  constructor(
    private readonly recorded: RecordedCase,
    private readonly client: ReplayClient,
    private readonly schema: OpenAiSchema,
  ) {}

  async run(): Promise<Outcome> {
    const { problems, rules } = this;
    const { stream, status } = this.recorded.recording;
    const expectation = expectationOf(this.recorded);
    if (expectation.kind === 'unclassified') {
      return { problems: [`cannot be classified: ${expectation.reason}`], rules };
    }
    for (const rule of expectation.rules) this.countRule(rule);
    const baseline = await this.client.ask();
    if (expectation.kind === 'error') {
      problems.push(...compareError(baseline, expectation.error, this.client.requestId));
      await this.stage('the SDK', () => this.thrown(expectation.error));
    } else if (stream) {
      problems.push(...this.streamed(baseline, expectation));
      await this.stage('the SDK, iterating', () => this.iterated(expectation));
      await this.stage('the SDK, collecting', () => this.collected(expectation));
    } else {
      await this.stage('the SDK', () => this.completed(expectation));
    }
    await this.stage('sent otherwise', () => this.sentOtherwise(baseline));
    if (stream && status === 200) await this.stage('cut', () => this.cut(baseline));
    if (!stream && expectation.kind === 'answer') await this.stage('cut', () => this.cutJson());
    return { problems, rules };
  }

  private async stage(name: string, check: () => Promise<readonly string[]>): Promise<void> {
    try {
      this.problems.push(...(await check()).map((problem) => `${name}: ${problem}`));
    } catch (thrown) {
      this.problems.push(`${name}: ${thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)}`);
    }
  }

  private countRule(rule: string): void {
    this.rules.set(rule, (this.rules.get(rule) ?? 0) + 1);
  }

  private streamed(baseline: RawAnswer, expected: Answered): string[] {
    if (baseline.status !== 200) return [`status ${baseline.status} instead of a stream: ${brief(baseline.text)}`];
    const { chunks, error, faults } = readStream(baseline);
    return [
      ...faults,
      ...(error ? [`an error instead of a whole stream: ${brief(error)}`] : []),
      ...chunkFaults(chunks, { schema: this.schema, alias: this.client.alias, usageAsked: true }),
      ...compareChoices(toldByStream(chunks), expected.choices),
      ...compareUsage(usageIn(chunks), expected.usage),
    ];
  }

  private async iterated(expected: Answered): Promise<string[]> {
    const chunks = await this.client.iterate();
    return [
      ...chunkFaults(chunks, { schema: this.schema, alias: this.client.alias, usageAsked: false }),
      ...compareChoices(toldByStream(chunks), expected.choices),
    ];
  }

  private async collected(expected: Answered): Promise<string[]> {
    const completion = await this.client.collect();
    // The SDK keeps the last delta of a field it does not know: reasoning is compared where its deltas are at hand.
    const told = toldByCompletion(completion).map((choice, position) => ({
      ...choice,
      reasoning: expected.choices[position]?.reasoning ?? '',
    }));
    return [...compareChoices(told, expected.choices), ...compareUsage(completion.usage ?? null, expected.usage)];
  }

  private async completed(expected: Answered): Promise<string[]> {
    const completion = await this.client.complete();
    const { alias } = this.client;
    return [
      ...this.schema.checkCompletion(completion).map((fault) => `schema: ${fault}`),
      ...(completion.model === alias ? [] : [`model is ${completion.model}, not the alias`]),
      ...compareChoices(toldByCompletion(completion), expected.choices),
      ...compareUsage(completion.usage ?? null, expected.usage),
    ];
  }

  private async thrown(expected: ExpectedError): Promise<string[]> {
    try {
      await (this.recorded.recording.stream ? this.client.collect() : this.client.complete());
      return ['no error at all'];
    } catch (thrown) {
      return thrown instanceof APIError ? compareThrown(thrown, expected) : [`not an API error: ${String(thrown)}`];
    }
  }

  private async sentOtherwise(baseline: RawAnswer): Promise<string[]> {
    const { body_text: body, stream, status, id } = this.recorded.recording;
    const seed = seedOf(id);
    const seeds = Array.from({ length: stream ? SEEDS_OF_STREAMS : 1 }, (_none, count) => (seed + count) >>> 0);
    // A stream that stops inside an event would stop elsewhere with comments in between.
    const respelt = stream && status === 200 && endsBlank(body) ? respellings(body) : [];
    return inParallel([...splits(body, seeds), ...respelt], async ({ name, pieces, byteForByte }) => {
      const differences = compareAnswers(await this.client.ask(pieces), baseline, byteForByte);
      return differences.map((difference) => `${name}: ${difference}`);
    });
  }

  private cut(baseline: RawAnswer): Promise<string[]> {
    const { recording } = this.recorded;
    const whole = baseline.status === 200 ? withoutTime(readStream(baseline).before) : '';
    const cuts = cutsOf(recording).flatMap((cut) => ENDINGS.map((ending) => ({ cut, ending })));
    return inParallel(cuts, async ({ cut, ending }) => {
      if (cut.exempt && ending === 'complete') this.countRule(cut.exempt);
      const answer = await this.client.ask([Buffer.from(cut.part)], ending);
      const problem = this.cutProblem(answer, cut, ending, whole);
      return problem
        ? [`${cut.place} of ${recording.body_text.length} characters, ${sayEnding(ending)}: ${problem}`]
        : [];
    });
  }

  private cutProblem(answer: RawAnswer, cut: Cut, ending: Replay['ending'], whole: string): string | null {
    const reading = readRecorded(this.recorded.recording.api, true, cut.part);
    // Where the connection breaks, what came before it may be lost on the way.
    const mustBeWhole = cut.exempt !== null && ending === 'complete';
    // The part may end with an error of the provider's own, which has a status and a code of its own.
    const mayBeAnyError = reading.state === 'failed';
    if (answer.status !== 200) {
      if (mustBeWhole) return `status ${answer.status} for a part that is whole`;
      const isExpected = answer.status === 502 && /"code":"upstream_/.test(answer.text);
      return isExpected || mayBeAnyError ? null : `status ${answer.status}: ${brief(answer.text)}`;
    }
    const { before, error, faults, chunks } = readStream(answer);
    if (faults.length > 0) return faults.join('; ');
    if (error) {
      if (mustBeWhole) return `an error for a part that is whole: ${brief(error)}`;
      if (!String(error.code).startsWith('upstream_') && !mayBeAnyError) return `error ${brief(error)}`;
      return whole.startsWith(withoutTime(before)) ? null : 'what came before the error is no beginning of the whole';
    }
    if (cut.exempt === null) return 'a clean end';
    const told = toldByStream(chunks).map(({ text, reasoning, tools }) => ({ text, reasoning, tools }));
    const spelt = reading.choices.map(({ text, reasoning, tools }) => ({ text, reasoning, tools }));
    return isSame(told, spelt) ? null : 'a clean end, and words are missing that the part holds';
  }

  private cutJson(): Promise<string[]> {
    const body = Buffer.from(this.recorded.recording.body_text.trimEnd());
    const ends = [0, 0.25, 0.5, 0.75].map((share) => Math.floor(body.length * share)).concat(body.length - 1);
    const cuts = [
      ...ends.map((end) => ({ end, ending: 'complete' as const })),
      ...ends.concat(body.length).map((end) => ({ end, ending: 'reset' as const })),
    ];
    return inParallel(cuts, async ({ end, ending }) => {
      const answer = await this.client.ask([body.subarray(0, end)], ending);
      if (answer.status === 502 && /"code":"upstream_/.test(answer.text)) return [];
      return [`after ${end} of ${body.length} bytes, ${sayEnding(ending)}: status ${answer.status} instead of 502`];
    });
  }
}

function sayEnding(ending: Replay['ending']): string {
  return ending === 'reset' ? 'connection reset' : 'ended as if whole';
}

/** All reasons that `use` gives, in the order of the items. */
async function inParallel<T>(items: readonly T[], use: (item: T) => Promise<readonly string[]>): Promise<string[]> {
  const reasons: (readonly string[])[] = [];
  const waiting = items.entries();
  const worker = async (): Promise<void> => {
    for (const [position, item] of waiting) reasons[position] = await use(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
  return reasons.flat();
}
