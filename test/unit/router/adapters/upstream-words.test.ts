import fc from 'fast-check';
import { restateMessage, restateName, restateParam } from '../../../../src/router/adapters/upstream-words.js';

describe("a provider's message", () => {
  it.each([
    'The model `gpt-3.5-turbo-0613` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations',
    'Please read https://go.microsoft.com/fwlink/?linkid=2198766.',
    "Unsupported value: 'messages[0].role' does not support 'developer' with this model.",
    'prompt is too long: 210000 tokens > 200000 maximum',
    'messages.1.content.0.tool_use: no result for toolu_01A2b3C4d5E6f7G8h9J0k1L2',
    'prompt too long (ref: 96164522-08b2-4cbf-886e-e5a38961a688)',
    "Invalid schema for response_format 'x': at 10:30:15, ratio 3:2, std::vector, ft:gpt-4o:acme::a1b2",
    '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    'Zu heiß: 温度 muss höchstens 2 sein. 🌡',
  ])('is restated as it is: %s', (message) => {
    expect(restateMessage(message)).toBe(message);
  });

  it.each([
    ['See http://vllm.internal:8000/v1/models.', 'See [address].'],
    ['See https://user:pass@platform.openai.com/docs', 'See [address]'],
    ['See https://platform.openai.com:8443/docs', 'See [address]'],
    ['See http://platform.openai.com.evil.test/docs', 'See [address]'],
    ['(postgres://gateway:hunter2@db/ledger)', '([address])'],
    ["HTTPConnectionPool(host='vllm.internal', port=80)", "HTTPConnectionPool(host='[address]', port=80)"],
    ['at 10.1.2.3.', 'at [address].'],
    ['at 10.1.2.3:8000.', 'at [address].'],
    ['at ::1 and fd12:3456::1.', 'at [address] and [address].'],
    ['at localhost or vllm-0:8000', 'at [address] or [address]'],
    ['at gpu.acme.example:443', 'at [address]'],
    ['at my-resource.openai.azure.com', 'at [address]'],
    ['with sk-proj-abc123', 'with [redacted]'],
    ['with sk-abc***xyz', 'with [redacted]'],
    ['with Authorization: Bearer abcdefghijklmnop.q', 'with [redacted]'],
    ['with hf_abcdefghijkl, AKIAIOSFODNN7EXAMPLE', 'with [redacted], [redacted]'],
    ['with {"secret": "hunter2hunter2"}', 'with {"[redacted]"}'],
    ['with 0123456789abcdef0123456789abcdef', 'with [redacted]'],
  ])('holds no address and no credential: %s', (message, expected) => {
    expect(restateMessage(message)).toBe(expected);
  });

  it('is no longer than is of use, and never cut in the middle of a word', () => {
    expect(restateMessage(`${'word '.repeat(199)}a-credential-of-some-kind`)).toBe(`${'word '.repeat(199)}…`);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 5_000 }), (message) => {
        expect(restateMessage(message).length).toBeLessThanOrEqual(1_001);
      }),
    );
  });

  it.each(['a.', 'a', '1.', ':', 'http://', 'sk-', 'a-', 'token: ', 'eyJ', '[', 'ab12 '])(
    'of a million times %j is read in a moment',
    (piece) => {
      expect(restateMessage(piece.repeat(1_000_000)).length).toBeLessThanOrEqual(1_001);
    },
    5_000,
  );
});

describe("a provider's names", () => {
  it.each(['context_length_exceeded', 'RateLimitReached', '400', 'invalid-image', 'v1.error'])(
    'are restated: %s',
    (name) => expect(restateName(name)).toBe(name),
  );

  it.each([null, '', 'two words', 'x'.repeat(65), 'vllm.internal', '10.1.2.3', 'sk-abcd1234', 'line\nbreak'])(
    'are left out where they are none: %j',
    (name) => expect(restateName(name)).toBeNull(),
  );

  it.each(['messages[0].content[1].image_url', 'tools.0.function', 'n'])('of fields are restated: %s', (param) =>
    expect(restateParam(param)).toBe(param),
  );

  it.each([null, 'x'.repeat(129), 'a field', 'vllm.internal', 'sk-abcd1234'])(
    'of fields are left out where they are none: %j',
    (param) => expect(restateParam(param)).toBeNull(),
  );
});
