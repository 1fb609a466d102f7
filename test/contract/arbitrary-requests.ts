import fc from 'fast-check';
import type { ChatCompletionRequest } from '../../src/domain/chat.js';
import { MODELS } from './anthropic-request-parts.js';

/** Most of the time nothing: what is rarely there can be combined with what is there. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const often = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
/** A value that is mostly right, and sometimes one of those that are not. */
const mostly = <T>(right: readonly T[], wrong: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 40, arbitrary: fc.constantFrom(...right) }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });

const words = fc.constantFrom('', ' \n', 'a', 'Hello ', '"', '😀');
const cacheControl = rarely(mostly<unknown>([{ type: 'ephemeral' }, { type: 'ephemeral', ttl: '1h' }, null], ['x']));
const part = fc.oneof(
  { weight: 9, arbitrary: fc.record({ type: fc.constant('text'), text: words, cache_control: cacheControl }) },
  mostly<{ type: string; [key: string]: unknown }>(
    [
      { type: 'image_url', image_url: { url: 'https://images.test/a.png' } },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
      { type: 'file', file: { file_data: 'data:application/pdf;base64,AA==' } },
    ],
    [{ type: 'refusal', refusal: 'No' }, { type: 'input_audio' }],
  ),
);
const content = fc.oneof(words, fc.constant(null), fc.array(part, { maxLength: 3 }));
const id = fc.constantFrom('a', 'b', 'functions.c:0', '');
const toolCall = fc.record({
  id,
  type: fc.constant('function'),
  function: fc.record({
    name: mostly(['look_up', 'now'], ['not a name']),
    arguments: mostly(['', '{}', '{"id":12345678901234567890}', '{"__proto__":1}'], ['[1]']),
  }),
});
const signed = mostly<unknown>(
  [[{ type: 'thinking', thinking: '', signature: 's' }], [{ type: 'redacted_thinking', data: 'd' }], []],
  [[{ type: 'thinking' }], 'x'],
);
const message = fc.oneof(
  { weight: 4, arbitrary: fc.record({ role: fc.constant('user'), content, cache_control: cacheControl }) },
  fc.record({ role: fc.constantFrom('system', 'developer'), content: words }),
  fc.record({ role: fc.constant('assistant'), content: words, thinking_blocks: rarely(signed) }),
);
/** Calls and their results, mostly as they should be. */
const round = fc
  .record({
    calls: fc.uniqueArray(toolCall, { minLength: 1, maxLength: 2, selector: (call) => call.id }),
    said: words,
    thinking_blocks: often(signed),
    answers: fc.array(content, { minLength: 2, maxLength: 2 }),
    lost: fc.nat(60),
  })
  .map(({ calls, said, thinking_blocks, answers, lost }) => [
    { role: 'assistant', content: said, tool_calls: calls, thinking_blocks },
    ...calls.flatMap((call, index) =>
      lost === index ? [] : [{ role: 'tool', tool_call_id: call.id, content: answers[index] }],
    ),
  ]);
const messages = fc
  .array(fc.oneof({ weight: 3, arbitrary: message.map((one) => [one]) }, round), { minLength: 1, maxLength: 5 })
  .map((groups) => [{ role: 'user', content: 'Go' }, ...groups.flat()]);

const schema = fc.letrec<{ node: Record<string, unknown> }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    mostly<Record<string, unknown>>(
      [
        { type: 'string', minLength: 1, format: 'date' },
        { type: ['integer', 'null'], minimum: 9 },
        { enum: ['a', 1, null] },
        { $ref: '#/$defs/x', description: 'x' },
        { const: 12345678901234567000 },
      ],
      [{ $ref: '#/$defs/y' }, { type: 'object' }, {}],
    ),
    fc
      .record({ a: tie('node'), b: tie('node'), closed: mostly<boolean | undefined>([undefined, false], [true]) })
      .map(({ a, b, closed }) => ({
        type: 'object',
        properties: { a, b },
        required: ['a'],
        additionalProperties: closed,
      })),
    tie('node').map((items) => ({ type: 'array', items, minItems: 2, uniqueItems: true })),
    fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    fc.array(tie('node'), { minLength: 1, maxLength: 2 }).map((allOf) => ({ allOf })),
  ),
})).node;
const rootSchema = fc.oneof(schema, {
  weight: 5,
  arbitrary: fc.record({ a: schema, y: schema }).map(({ a, y }) => ({
    type: 'object',
    properties: { a },
    $defs: { x: { type: 'string' }, y },
  })),
});
const tool = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      type: fc.constant('function'),
      function: fc.record({
        name: fc.constantFrom('look_up', 'now', 'c', 'd', 'e'),
        description: rarely(fc.constant('Looks')),
        parameters: rarely(rootSchema),
        strict: fc.boolean(),
      }),
      cache_control: cacheControl,
    }),
  },
  fc.constant({ type: 'custom', custom: {} }),
);
const toolChoice = fc.constantFrom<unknown>(
  'auto',
  'none',
  'required',
  { type: 'function', function: { name: 'look_up' } },
  { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'now' } }] } },
  'odd',
  { type: 'odd' },
);
const responseFormat = fc.oneof(
  mostly<unknown>([{ type: 'text' }, { type: 'json_object' }], [{ type: 'odd' }, { type: 'json_schema' }]),
  rootSchema.map((root) => ({ type: 'json_schema', json_schema: { name: 'x', schema: root, strict: true } })),
);

/** A request as the gateway lets it through: the shapes are right, and nothing else need be. */
export const arbitraryRequest = fc.record({
  model: fc.constantFrom(...MODELS),
  chat: fc.record({
    messages,
    tools: often(
      fc.uniqueArray(tool, { maxLength: 3, selector: (one) => ('function' in one ? one.function.name : '') }),
    ),
    tool_choice: rarely(toolChoice),
    parallel_tool_calls: rarely(fc.boolean()),
    response_format: rarely(responseFormat),
    reasoning_effort: rarely(fc.constantFrom('none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max', 'odd')),
    temperature: rarely(fc.constantFrom(0, 0.5, 1, 1, 1.5)),
    top_p: rarely(fc.constantFrom(0, 0.97, 1, 1)),
    top_k: rarely(mostly<unknown>([5], [0.5, -1, 'x'])),
    max_tokens: rarely(fc.constantFrom(1, 1024, 1500, 50_000)),
    stop: rarely(fc.constantFrom<unknown>('END', '\n', ['a', 'b'], [])),
    user: rarely(fc.constantFrom('u', '', 'x'.repeat(300))),
    cache_control: cacheControl,
    n: rarely(mostly([1], [2])),
    made_up: mostly([undefined], [1]),
  }) as unknown as fc.Arbitrary<Partial<ChatCompletionRequest>>,
});
