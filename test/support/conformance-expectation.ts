import { type ExpectedError, errorInside, errorOfStatus, INVALID_RESPONSE } from './conformance-errors.js';
import { readRecorded } from './conformance-reading.js';
import { meaningOf, type Oddity, type Reading, type ToldChoice, type ToldTool } from './conformance-told.js';
import type { OracleEntry, RecordedCase, Recording } from './recordings.js';

/** Counts by their path in OpenAI's `usage`; only those the oracle has. */
export type ExpectedUsage = Readonly<Record<string, number>>;

/** A finish that OpenAI has no word for: any of its own will do. */
export const ANY_FINISH = 'any';

export const LEGAL_FINISHES: readonly string[] = ['stop', 'length', 'tool_calls', 'content_filter', 'function_call'];

/**
 * What a client of AEGIS has to get of a recording. `rules` name each place where that is not the oracle's word as it
 * stands, and why.
 */
export type Expectation =
  | {
      readonly kind: 'answer';
      readonly choices: readonly ToldChoice[];
      readonly usage: ExpectedUsage | null;
      readonly rules: readonly string[];
    }
  | { readonly kind: 'error'; readonly error: ExpectedError; readonly rules: readonly string[] }
  | { readonly kind: 'unclassified'; readonly reason: string };

/** What the SDK says of streams it gives up on though they hold a whole answer, and what AEGIS makes of them. */
const REPAIRED: readonly { readonly complaint: RegExp; readonly oddity?: Oddity; readonly rule: string }[] = [
  { complaint: /^missing role/, rule: 'no role came: AEGIS says it' },
  {
    complaint: /^missing finish_reason/,
    rule: 'a choice without a finish, and [DONE] says that all is there: AEGIS adds the finish',
  },
  {
    complaint: /^missing (choices\[\d+\]\.tool_calls|function_call)|tool call snapshot/,
    rule: 'a tool call without its type, id, name or arguments: AEGIS adds them',
  },
  {
    complaint: /message_start before receiving/,
    oddity: 'several messages',
    rule: 'several messages in one stream: the first is the answer',
  },
  {
    complaint: /message_start before receiving/,
    oddity: 'message_start twice',
    rule: 'message_start came twice: AEGIS takes it for one',
  },
  {
    complaint: /^stream ended without producing/,
    oddity: 'the last event without its blank line',
    rule: 'the last event lacks its blank line: AEGIS reads it all the same',
  },
  { complaint: /^Unable to parse tool parameter JSON/, rule: 'arguments that are no JSON are relayed as they are' },
];

const STOP_REASONS: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

export function expectationOf({ recording, oracle }: RecordedCase): Expectation {
  const { api, status, stream, body_text: body } = recording;
  if (status >= 400) {
    const stated = oracle.error?.status;
    if (stated !== undefined && stated !== null && stated !== status) {
      return { kind: 'unclassified', reason: `its oracle says status ${stated}, the case says ${status}` };
    }
    if (oracle.ok === true) return { kind: 'unclassified', reason: `its oracle calls status ${status} a success` };
    return { kind: 'error', ...errorOfStatus(recording, oracle) };
  }
  if (status !== 200) return { kind: 'unclassified', reason: `nothing is known of answers with status ${status}` };

  const reading = readRecorded(api, stream, body);
  if (reading.state === 'failed') {
    const rules = oracle.ok === true ? ['a success that tells of a failure is an error'] : [];
    return { kind: 'error', error: errorInside(api, reading.error ?? {}), rules };
  }
  if (oracle.ok === true) return answerOfOracle(recording, oracle, reading);
  if (reading.state !== 'whole') return { kind: 'error', error: INVALID_RESPONSE, rules: [] };
  if (oracle.ok === undefined) {
    return answerOfReading(api, reading, 'the oracle is silent: what the bytes spell is expected');
  }
  const complaint = oracle.error?.message ?? '';
  const repair = REPAIRED.find(
    ({ complaint: known, oddity }) => known.test(complaint) && (oddity === undefined || reading.oddities.has(oddity)),
  );
  if (repair) return answerOfReading(api, reading, repair.rule);
  return {
    kind: 'unclassified',
    reason: `the SDK gives up on it ("${complaint.slice(0, 120)}"), its bytes look whole, and no rule says which holds`,
  };
}

function answerOfOracle({ api, stream }: Recording, oracle: OracleEntry, reading: Reading): Expectation {
  if (api === 'chat.completions' && !oracle.choices?.length) {
    return { kind: 'error', error: INVALID_RESPONSE, rules: ['an answer without choices is none'] };
  }
  const rules: string[] = [];
  const rule = (text: string): void => {
    if (!rules.includes(text)) rules.push(text);
  };
  const choices = toldByOracle(oracle).map((told, position): ToldChoice => {
    const spelt = reading.choices.find(({ index }) => index === told.index) ?? reading.choices[position];
    if (!spelt) return told;
    const expected = { ...told, functionCall: spelt.functionCall };
    if (told.finish === ANY_FINISH) rule('a finish that OpenAI has no word for: any of its own will do');
    if (told.reasoning !== spelt.reasoning && spelt.reasoning !== '') {
      rule(
        stream
          ? 'reasoning as its deltas spell it: the SDK keeps the last delta of a field it does not know'
          : 'reasoning in a field that the SDK does not read',
      );
      expected.reasoning = spelt.reasoning;
    }
    if (told.refusal === '' && spelt.refusal !== '') {
      rule("a refusal's explanation, which the oracle leaves out");
      expected.refusal = spelt.refusal;
    }
    if (oracle.choices && typeof oracle.choices[position]?.text !== 'string' && spelt.text !== told.text) {
      rule('text that came in parts, or that the SDK leaves out');
      expected.text = spelt.text;
    }
    if (isGarbled(told.text) && !isGarbled(spelt.text)) {
      rule('text that came in parts, which the SDK cannot join');
      expected.text = spelt.text;
    }
    const loss = lossOfTools(told.tools, spelt.tools, reading);
    if (loss) {
      rule(loss);
      expected.tools = spelt.tools;
    }
    return expected;
  });
  let usage = expectedUsage(oracle.usage);
  if (!usage && reading.usage) {
    usage = expectedUsage(reading.usage);
    rule('a usage count that the SDK forgets');
  }
  return { kind: 'answer', choices, usage, rules };
}

/** Why the oracle's tool calls are not all that came; null where they are. */
function lossOfTools(told: readonly ToldTool[], spelt: readonly ToldTool[], { oddities }: Reading): string | null {
  if (isSame(told, spelt)) return null;
  if (oddities.has('a tool call without an index')) {
    return 'a tool call without its index: the SDK drops it, AEGIS keeps it';
  }
  if (oddities.has('tool calls that share an index')) {
    return 'tool calls under one index: the SDK makes one of them, AEGIS keeps each';
  }
  const isLost = told.some((tool) => isGarbled(tool.arguments)) && !spelt.some((tool) => isGarbled(tool.arguments));
  return isLost ? 'arguments as an object, which the SDK cannot join' : null;
}

/** What JavaScript makes of an object that is added to a text. */
function isGarbled(value: unknown): boolean {
  return typeof value === 'string' && value.includes('[object Object]');
}

function answerOfReading(api: string, reading: Reading, rule: string): Expectation {
  const choices = reading.choices.map((told) => ({
    ...told,
    finish: api === 'messages' ? fromStopReason(told.finish) : fromFinish(told),
  }));
  return { kind: 'answer', choices, usage: expectedUsage(reading.usage), rules: [rule] };
}

function fromFinish({ finish, tools }: ToldChoice): string {
  if (finish === null) return tools.length > 0 ? 'tool_calls' : 'stop';
  return LEGAL_FINISHES.includes(finish) ? finish : ANY_FINISH;
}

function fromStopReason(reason: string | null): string {
  return reason !== null && Object.hasOwn(STOP_REASONS, reason) ? (STOP_REASONS[reason] ?? ANY_FINISH) : ANY_FINISH;
}

function toldByOracle(oracle: OracleEntry): ToldChoice[] {
  if (!oracle.choices) {
    return [
      {
        index: 0,
        finish: fromStopReason(oracle.stop_reason ?? null),
        text: oracle.text ?? '',
        refusal: '',
        reasoning: oracle.thinking ?? '',
        tools: (oracle.tools ?? []).map(({ name, input }): ToldTool => ({ name, arguments: input ?? {} })),
        functionCall: null,
      },
    ];
  }
  return oracle.choices.map((choice) => ({
    index: choice.index,
    finish: LEGAL_FINISHES.includes(choice.finish_reason ?? '') ? choice.finish_reason : ANY_FINISH,
    text: textOf(choice.text),
    refusal: textOf(choice.refusal),
    reasoning: textOf(choice.reasoning),
    tools: (choice.tools ?? []).map(({ name, arguments: text }) => ({
      name,
      arguments: typeof text === 'string' ? meaningOf(text) : (text ?? {}),
    })),
    functionCall: null,
  }));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** OpenAI's counts from OpenAI's or Anthropic's. Anthropic counts what was cached beside the input, OpenAI within it. */
function expectedUsage(usage: Readonly<Record<string, unknown>> | null | undefined): ExpectedUsage | null {
  if (!usage) return null;
  if (usage.input_tokens !== undefined) {
    const cached = countOf(usage.cache_read ?? usage.cache_read_input_tokens);
    const written = countOf(usage.cache_write ?? usage.cache_creation_input_tokens);
    const prompt = countOf(usage.input_tokens) + cached + written;
    const completion = countOf(usage.output_tokens);
    return {
      prompt_tokens: prompt,
      completion_tokens: completion,
      total_tokens: prompt + completion,
      'prompt_tokens_details.cached_tokens': cached,
      'prompt_tokens_details.cache_write_tokens': written,
    };
  }
  const sum = countOf(usage.prompt_tokens) + countOf(usage.completion_tokens);
  const expected: Record<string, number> = {
    prompt_tokens: countOf(usage.prompt_tokens),
    completion_tokens: countOf(usage.completion_tokens),
    total_tokens: countOf(usage.total_tokens) || sum,
  };
  for (const path of COUNTED_DETAILS) {
    const count = findCount(usage, path);
    if (count !== undefined) expected[path] = count;
  }
  return expected;
}

const COUNTED_DETAILS = [
  'prompt_tokens_details.cached_tokens',
  'prompt_tokens_details.cache_write_tokens',
  'prompt_tokens_details.audio_tokens',
  'completion_tokens_details.reasoning_tokens',
  'completion_tokens_details.audio_tokens',
];

/** A count by its path in a `usage`; undefined where it has none. */
export function findCount(usage: unknown, path: string): number | undefined {
  let value = usage;
  for (const key of path.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[key];
  return Number.isInteger(value) ? Number(value) : undefined;
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) ? value : 0;
}

export function isSame(first: unknown, second: unknown): boolean {
  return JSON.stringify(sorted(first)) === JSON.stringify(sorted(second));
}

/** The same value with the keys of its objects in order: JSON's objects have none. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([first], [second]) => (first < second ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
