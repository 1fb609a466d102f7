import { APIError } from 'openai';
import { findShared, loadRecordings } from '../../support/recordings.js';
import {
  brokenStreamAnswer,
  chunkEvent,
  errorAnswer,
  type ScriptedAnswer,
  streamAnswer,
} from '../../support/scriptable-upstream.js';
import {
  countChunks,
  expectBroken,
  expectError,
  expectWhole,
  FaultSite,
  MODEL,
  target,
} from '../support/fault-site.js';
import { NO_LEDGER, note } from '../support/notes.js';
import {
  ANTHROPIC_END,
  ANTHROPIC_OVERLOADED,
  ANTHROPIC_START,
  anthropicStream,
  anthropicText,
  EVENT_STREAM,
  streamOf,
  words,
} from '../support/provider-answers.js';

const site = new FaultSite();
const recordings = findShared('recordings');
const recorded = recordings ? loadRecordings(recordings, ['chat.completions', 'messages']) : [];

function withFeature(...features: readonly string[]): [string, (typeof recorded)[number]][] {
  return recorded
    .filter(({ recording }) => recording.stream && recording.features.some((feature) => features.includes(feature)))
    .map((entry) => [entry.recording.id, entry]);
}

/** What a provider's type needs besides its address. */
function providerOf(provider: string): Record<string, string> {
  return provider === 'anthropic' ? { type: 'anthropic' } : { type: 'openai_compatible' };
}

describe('a stream that breaks off after its first content', () => {
  const ENDINGS: [string, ScriptedAnswer['ending'], string][] = [
    ['a clean end of the body', 'complete', 'upstream_invalid_response'],
    ['a closed connection, the body unfinished', 'cut', 'upstream_error'],
    ['a reset', 'reset', 'upstream_error'],
  ];
  const CUTS = [5, 40, 60].flatMap((count) => ENDINGS.map(([name, ...rest]) => [count, name, ...rest] as const));

  it.each(CUTS)('row 10: after %i tokens: %s', async (count, _name, ending, code) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(brokenStreamAnswer(words(count), ending ?? 'cut'));
    second.script(streamAnswer(['never']));
    const reply = await gateway.stream();
    expectBroken(reply, code);
    expect(reply.content).toBe(words(count).join(''));
    expect(second.requests).toHaveLength(0);
    await gateway.idle();
    expect(await gateway.metric('aegis_requests_total', { provider: gateway.provider(0), code })).toBe(1);
    expect(await gateway.metric('aegis_fallbacks_total')).toBe(0);
  });

  it.each([
    ['closed', 'cut'],
    ['reset', 'reset'],
    ['half closed', 'half_close'],
  ] as const)('row 10: in the middle of an event, the connection %s', async (_name, ending) => {
    const upstream = await site.upstream();
    const proxy = (await site.proxy(upstream)).poison({ afterText: '"content":"w39', ending });
    const gateway = await site.gateway([target(proxy)]);
    upstream.script(streamAnswer(words(60)));
    const reply = await gateway.stream();
    expectBroken(reply, 'upstream_error');
    expect(reply.content).toBe(words(39).join(''));
  });

  it('row 10: what was counted until then is counted, and the request is recorded as failed', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { type: 'anthropic' })]);
    upstream.script({ ...anthropicStream(...ANTHROPIC_START, ...words(5).map(anthropicText)), ending: 'reset' });
    expectBroken(await gateway.stream(), 'upstream_error');
    await gateway.idle();
    const provider = gateway.provider(0);
    expect(await gateway.metric('aegis_tokens_total', { provider, direction: 'input' })).toBe(25);
    expect(await gateway.metric('aegis_requests_total', { provider, code: 'upstream_error' })).toBe(1);
    note(NO_LEDGER);
  });

  it.each([
    ['words and no finish', brokenStreamAnswer(words(5), 'complete')],
    ['words, a finish and no [DONE]', streamOf(words(5), chunkEvent({}, 'stop'))],
  ])('row 11: the official SDK gets a whole answer or an error, never a part of one: %s', async (_name, answer) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(answer);
    const stream = await gateway.gateway.openai().chat.completions.create({
      model: MODEL,
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    });
    const finishes: string[] = [];
    const reading = (async () => {
      for await (const { choices } of stream) if (choices[0]?.finish_reason) finishes.push(choices[0].finish_reason);
      return null;
    })();
    const error = await reading.catch((problem: unknown) => problem);
    if (error === null) expect(finishes).toEqual(['stop']);
    else expect(error).toBeInstanceOf(APIError);
    if (error !== null) expect(finishes).toEqual([]);
  });

  it('row 11: of Anthropic, without message_stop', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { type: 'anthropic' })]);
    upstream.script(anthropicStream(...ANTHROPIC_START, anthropicText('one '), anthropicText('two')));
    const reply = await gateway.stream();
    expectBroken(reply, 'upstream_invalid_response');
    expect(reply.content).toBe('one two');
  });

  const truncated = withFeature('truncated', 'cutline');
  (truncated.length > 0 ? it : it.skip).each(truncated.length > 0 ? truncated : [['(no recordings)', null] as const])(
    'row 11: as recorded: %s',
    async (_id, entry) => {
      if (!entry) return;
      const upstream = await site.upstream();
      const gateway = await site.gateway([target(upstream, providerOf(entry.recording.provider))], { max_attempts: 1 });
      for (const ending of ['complete', 'cut', 'reset'] as const) {
        const { replay_headers: headers, body_text: body } = entry.recording;
        upstream.script({ headers, body, ending });
        const reply = await gateway.stream();
        expect(reply.text).not.toContain('[DONE]');
        expect(countChunks(reply, ({ finish_reason }) => Boolean(finish_reason))).toBe(0);
        // Cut before its first content it is a plain error, with a status that says so.
        if (reply.status !== 200) expect(reply.status).toBe(502);
        else expectBroken(reply, ending === 'complete' ? 'upstream_invalid_response' : 'upstream_error');
      }
    },
  );
});

describe('a stream with one malformed line', () => {
  const MALFORMED: [string, string][] = [
    ['a JSON text cut off', 'data: {"choices": [\n\n'],
    ['no JSON at all', 'data: <html>oops</html>\n\n'],
    ['JSON of another kind', 'data: "words"\n\n'],
  ];
  it.each(MALFORMED)('row 11: after content: one error event: %s', async (_name, line) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream)]);
    upstream.script(
      streamOf(words(5), line, chunkEvent({ content: 'more' }), chunkEvent({}, 'stop'), 'data: [DONE]\n\n'),
    );
    const reply = await gateway.stream();
    expectBroken(reply, 'upstream_invalid_response');
    expect(reply.content).toBe(words(5).join(''));
  });

  it.each(MALFORMED)('row 05: before content: the next target answers: %s', async (_name, line) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(streamOf([], line));
    second.script(streamAnswer(['good']));
    expectWhole(await gateway.stream(), 'good');
  });
});

describe('an error event inside a stream', () => {
  const OPENAI_ERROR = 'data: {"error":{"message":"overloaded at 10.1.2.3","type":"server_error","code":null}}\n\n';
  const KINDS: [string, Record<string, string>, ScriptedAnswer, ScriptedAnswer, string][] = [
    [
      'Anthropic is overloaded',
      { type: 'anthropic' },
      anthropicStream(...ANTHROPIC_START, ANTHROPIC_OVERLOADED),
      anthropicStream(
        ...ANTHROPIC_START,
        anthropicText('one '),
        ANTHROPIC_OVERLOADED,
        anthropicText('later'),
        ...ANTHROPIC_END,
      ),
      'Overloaded',
    ],
    [
      'of the kind OpenAI sends',
      { type: 'openai' },
      streamOf([], OPENAI_ERROR),
      streamOf(['one '], OPENAI_ERROR, chunkEvent({ content: 'later' }), chunkEvent({}, 'stop'), 'data: [DONE]\n\n'),
      '10.1.2.3',
    ],
  ];

  it.each(KINDS)('row 13: before any content: the next target answers: %s', async (_name, provider, early) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, provider), target(second)]);
    first.script(early);
    second.script(streamAnswer(['good']));
    expectWhole(await gateway.stream(), 'good');
  });

  it.each(KINDS)('row 13: after content: it ends the stream: %s', async (_name, provider, _early, late, own) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, provider), target(second)]);
    first.script(late);
    const reply = await gateway.stream();
    expectBroken(reply, 'upstream_error');
    expect(reply.content).toBe('one ');
    expect(reply.text).not.toContain(own);
    expect(second.requests).toHaveLength(0);
  });

  it.each(KINDS)(
    'row 13: after content: it counts as a failure of the target: %s',
    async (_name, provider, _early, late) => {
      const upstream = await site.upstream();
      const gateway = await site.gateway([target(upstream, provider)], {
        circuit_breaker: { consecutive_failures: 2 },
      });
      upstream.script(late);
      for (let count = 0; count < 2; count++) expectBroken(await gateway.stream(), 'upstream_error');
      expectError(await gateway.stream(), 503, 'no_target_available');
      expect(upstream.requests).toHaveLength(2);
      expect(await gateway.metric('aegis_circuit_state', { provider: gateway.provider(0), state: 'open' })).toBe(1);
    },
  );

  const erring = withFeature('stream_error', 'errorchunk');
  (erring.length > 0 ? it : it.skip).each(erring.length > 0 ? erring : [['(no recordings)', null] as const])(
    'row 13: as recorded: %s',
    async (_id, entry) => {
      if (!entry) return;
      const [first, second] = await site.upstreams();
      const gateway = await site.gateway([target(first, providerOf(entry.recording.provider)), target(second)]);
      first.script({ headers: entry.recording.replay_headers, body: entry.recording.body_text });
      second.script(streamAnswer(['good']));
      const reply = await gateway.stream();
      if (reply.headers['x-aegis-provider'] === gateway.provider(1)) {
        expectWhole(reply, 'good');
        return;
      }
      expect(reply.clean).toBe(false);
      expect(reply.text).not.toContain('[DONE]');
      expect(reply.text.match(/"error":/g)).toHaveLength(1);
      expect(second.requests).toHaveLength(0);
    },
  );
});

describe('after the first content', () => {
  it.each([
    ['is reset', 'reset'],
    ['is cut', 'cut'],
    ['ends early', 'complete'],
    ['falls silent', 'stall'],
  ] as const)('row 30: no other target is asked where the stream %s', async (_name, ending) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first, { timeouts: { idle: '150ms' } }), target(second)]);
    first.script(brokenStreamAnswer(['one '], ending));
    second.script(streamAnswer(['never']));
    const reply = await gateway.stream();
    expect(reply.clean).toBe(false);
    expect(second.requests).toHaveLength(0);
    expect(countChunks(reply, ({ delta }) => delta?.role !== undefined)).toBe(1);
    expect(countChunks(reply, ({ finish_reason }) => Boolean(finish_reason))).toBe(0);
  });

  it.each([
    ['a role and nothing more', streamOf([])],
    ['a role, then a cut', { ...streamOf([]), ending: 'cut' as const }],
    ['a status that is none of success', errorAnswer(500)],
    ['an empty stream', { headers: EVENT_STREAM }],
  ])('row 30: before it, an answer of the next target begins once only: %s', async (_name, answer) => {
    const [first, second] = await site.upstreams();
    const gateway = await site.gateway([target(first), target(second)]);
    first.script(answer);
    second.script(streamAnswer(words(3)));
    expectWhole(await gateway.stream(), words(3).join(''));
  });
});
