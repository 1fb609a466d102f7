import fc from 'fast-check';
import type { ChatCompletion } from '../../../../src/domain/chat.js';
import { silentObserver } from '../../../../src/domain/observer.js';
import { AnswerFindings } from '../../../../src/filter/stream/answer-findings.js';
import { AnswerRewriter, BlockedAnswerError } from '../../../../src/filter/stream/answer-rewriter.js';
import { contextOf, SECRETS } from '../support.js';
import { compileRules, REDACTING, screenOf, split } from './support.js';

type Delta = Record<string, unknown>;

interface Chunk {
  readonly choices: readonly { index: number; delta: Delta; finish_reason: string | null; logprobs?: unknown }[];
  readonly usage?: unknown;
}

function chunkOf(index: number, delta: Delta, finish: string | null = null, more: object = {}): string {
  const choices = [{ index, delta, logprobs: null, finish_reason: finish }];
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices,
    ...more,
  });
}

function open(rules = REDACTING) {
  const context = contextOf();
  const findings = new AnswerFindings(context, silentObserver);
  return {
    rewriter: new AnswerRewriter({ rules, markers: null, findings, screen: screenOf(rules) }),
    context,
    findings,
  };
}

function rewrite(chunks: readonly string[]): string[] {
  const { rewriter } = open();
  return [...chunks.flatMap((chunk) => rewriter.rewriteChunk(chunk)), ...rewriter.finish()];
}

function parse(chunk: string | undefined): Chunk {
  return JSON.parse(chunk ?? '{}') as Chunk;
}

function join(chunks: readonly string[], index: number, key: string): string {
  return chunks
    .flatMap((chunk) => parse(chunk).choices)
    .filter((choice) => choice.index === index)
    .map(({ delta }) => delta[key] ?? '')
    .join('');
}

const pieceTexts = fc.array(
  fc.oneof(
    fc.constantFrom(
      ...split(SECRETS.github, 7),
      ...split(SECRETS.awsId, 5),
      'my key',
      ' is ',
      '"',
      '\\',
      '\n',
      '',
      'é',
      '😀',
    ),
    fc.string({ maxLength: 6 }),
  ),
  { maxLength: 30 },
);

describe('an answer that is rewritten', () => {
  it('is the same whether its chunks are alike or each is written in its own way', () => {
    const kinds = fc.constantFrom('content', 'reasoning_content', 'refusal');
    const turns = fc.array(fc.tuple(kinds, pieceTexts, fc.nat(1)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(turns, fc.boolean(), (spoken, isPadded) => {
        const deltas = spoken.flatMap(([kind, texts, index]) =>
          texts.map((text) => ({ index, delta: { [kind]: text } })),
        );
        const chunks = deltas.map(({ index, delta }, place) =>
          chunkOf(index, delta, null, isPadded ? { obfuscation: 'x'.repeat(place % 5) } : {}),
        );
        const ends = [chunkOf(0, {}, 'stop'), chunkOf(1, {}, 'stop'), '{"choices":[],"usage":{"total_tokens":1}}'];
        const alike = rewrite([...chunks, ...ends]);
        const unlike = rewrite([...chunks.map((chunk, place) => ' '.repeat(place) + chunk), ...ends]);
        expect(alike.map(parse)).toEqual(unlike.map(parse));
      }),
      { numRuns: 1_000 },
    );
  });

  it('keeps every byte of a chunk in which nothing changes', () => {
    const chunks = [
      chunkOf(0, { role: 'assistant', content: '' }),
      '{"choices": [ {"index":0,"delta":{"content":"h\\u0065llo"}} ], "x": 1e2}',
      chunkOf(0, {}, 'stop'),
      '{"choices":[],"usage":{"total_tokens":1}}',
      '{"object":"something else"}',
    ];
    expect(rewrite(chunks)).toEqual(chunks);
  });

  it('sends nothing in the place of a chunk whose text waits, but keeps what else it carries', () => {
    const { rewriter } = open();
    expect(rewriter.rewriteChunk(chunkOf(0, { content: 'ghp_' }))).toEqual([]);
    const [kept] = rewriter.rewriteChunk(chunkOf(0, { role: 'assistant', content: 'R7t' }));
    expect(parse(kept).choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
    const [counted] = rewriter.rewriteChunk(chunkOf(0, { content: 'K2m' }, null, { usage: { total_tokens: 3 } }));
    expect(parse(counted)).toMatchObject({ usage: { total_tokens: 3 }, choices: [{ delta: { content: '' } }] });
  });

  it('tells what waited before the finish, in a chunk like the others', () => {
    const like = { system_fingerprint: 'fp', usage: null };
    const out = rewrite([
      chunkOf(0, { content: 'a ghp' }, null, like),
      chunkOf(0, {}, 'stop', like),
      chunkOf(0, { content: '' }),
    ]);
    expect(out.map((chunk) => parse(chunk).choices[0])).toEqual([
      { index: 0, delta: { content: 'a ' }, logprobs: null, finish_reason: null },
      { index: 0, delta: { content: 'ghp' }, logprobs: null, finish_reason: null },
      { index: 0, delta: {}, logprobs: null, finish_reason: 'stop' },
      { index: 0, delta: { content: '' }, logprobs: null, finish_reason: null },
    ]);
    expect(JSON.parse(out[1] ?? '')).toMatchObject({ id: 'chatcmpl-1', model: 'm', ...like });
  });

  it('adds what waited to the finish that carries text itself', () => {
    const out = rewrite([chunkOf(0, { content: 'gh' }), chunkOf(0, { content: 'p' }, 'stop')]);
    expect(out.map((chunk) => parse(chunk).choices[0]?.delta)).toEqual([{ content: 'ghp' }]);
  });

  it('drops probabilities that spell a credential which the text beside them does not say, or not yet', () => {
    const tokens = split(SECRETS.github, 9).map((token) => ({ token, bytes: [...Buffer.from(token)] }));
    for (const lists of [tokens.map((token) => [token]), [tokens]]) {
      const chunks = lists.map((list) =>
        JSON.stringify({ choices: [{ index: 0, delta: { content: 'Yes! ' }, logprobs: { content: list } }] }),
      );
      const out = rewrite(chunks).join('');
      for (const { token } of tokens) expect(out).not.toContain(token);
      expect(out).not.toContain('"bytes"');
    }
    const odd = { choices: [{ index: 0, delta: { content: 'Yes! ' }, logprobs: { tokens: [SECRETS.github] } }] };
    expect(rewrite([JSON.stringify(odd)]).join('')).not.toContain(SECRETS.github);
  });

  it('is not cut in two by a chunk without choices', () => {
    const [first, second] = [SECRETS.github.slice(0, 20), SECRETS.github.slice(20)];
    const empty = '{"choices":[],"keep":"alive"}';
    const out = rewrite([chunkOf(0, { content: `a ${first}` }), empty, chunkOf(0, { content: `${second} b` })]);
    expect(join(out, 0, 'content')).toBe('a [REDACTED:github-token] b');
    expect(out).toContain(empty);
    const counted = rewrite([
      chunkOf(0, { content: first }),
      '{"choices":[],"usage":{}}',
      chunkOf(0, { content: `${second} b` }),
      chunkOf(0, {}, 'stop'),
    ]);
    expect(join(counted, 0, 'content')).toBe('[REDACTED:github-token] b');
    expect(counted).toContain('{"choices":[],"usage":{}}');
  });

  it.each<[string, object, object, object]>([
    [
      'a citation',
      { annotations: [{ type: 'url_citation', url_citation: { url: `https://x.test/?${SECRETS.github}` } }] },
      {},
      {},
    ],
    [
      'the name of a tool',
      { tool_calls: [{ index: 0, id: 'c', function: { name: SECRETS.github, arguments: '{}' } }] },
      {},
      {},
    ],
    ['a member nobody knows', { provider_specific_fields: { cited: [SECRETS.github] } }, {}, {}],
    ['the name of a member', { [SECRETS.github]: 1 }, {}, {}],
    ['what a filter of the provider quotes', {}, { content_filter_results: { citation: { URL: SECRETS.github } } }, {}],
    ['a list of sources', {}, {}, { citations: [SECRETS.github] }],
    [
      'a data URL that is none',
      { images: [{ image_url: { url: `data:image/png;base64,${SECRETS.github}` } }] },
      {},
      {},
    ],
  ])('is searched in %s, streamed or not', (_where, delta, choice, top) => {
    const choices = [{ index: 0, delta: { content: 'Yes! ', ...delta }, finish_reason: null, ...choice }];
    const { rewriter, context } = open();
    const streamed = [...rewriter.rewriteChunk(JSON.stringify({ choices, ...top })), ...rewriter.finish()].join('');
    expect(streamed).not.toContain(SECRETS.github);
    expect(streamed).toContain('[REDACTED:github-token]');
    expect(streamed).toContain('Yes! ');
    expect(JSON.stringify(context.findings)).not.toContain(SECRETS.github);
    const message = { role: 'assistant', content: 'Yes! ', refusal: null, ...delta };
    const completion = { choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null, ...choice }], ...top };
    const whole = JSON.stringify(open().rewriter.rewriteCompletion(completion as unknown as ChatCompletion));
    expect(whole).not.toContain(SECRETS.github);
    expect(whole).toContain('[REDACTED:github-token]');
  });

  it('leaves alone what providers make up, and pictures', () => {
    const opaque = `AK${'IA'}Q3EGRJ7X2NLWV5TB`;
    const delta = {
      content: 'Yes! ',
      audio: { id: opaque, data: opaque, expires_at: 1 },
      images: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${opaque}/${opaque}==` } }],
      reasoning_details: [{ type: 'reasoning.encrypted', data: opaque }],
    };
    const chunk = chunkOf(0, delta, null, { id: opaque, system_fingerprint: opaque, obfuscation: opaque });
    expect(rewrite([chunk])).toEqual([chunk]);
  });

  it('pauses while a long text is searched, streamed or not', () => {
    const content = 'Nothing of note. '.repeat(20_000);
    const pauses = (work: Generator<void, unknown>): number => {
      let count = 0;
      while (!work.next().done) count++;
      return count;
    };
    const { rewriter } = open();
    const message = { role: 'assistant', content, refusal: null };
    const completion = { choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }] };
    // What is there as a whole is looked at faster, in larger steps.
    expect(pauses(rewriter.completionInSteps(completion as unknown as ChatCompletion))).toBeGreaterThan(3);
    expect(pauses(rewriter.chunkInSteps(chunkOf(0, { content })))).toBeGreaterThan(100);
    expect(pauses(rewriter.chunkInSteps(chunkOf(0, { citations: [content] })))).toBeGreaterThan(3);
  });

  it('loses nothing that stands beside a text that waits', () => {
    const out = rewrite([chunkOf(0, { content: 'ghp' }, null, { citations: ['https://acme.test/'] })]);
    expect(out.join('')).toContain('https://acme.test/');
  });

  it('tells what waited before the usage and at the end, where no choice finishes', () => {
    expect(join(rewrite([chunkOf(0, { content: 'ghp' }), '{"choices":[],"usage":{}}']).slice(0, 1), 0, 'content')).toBe(
      'ghp',
    );
    expect(join(rewrite([chunkOf(0, { content: 'ghp' })]), 0, 'content')).toBe('ghp');
  });

  it('drops the probabilities of a text that changed, and no others', () => {
    const chunks = ['ok ', `${SECRETS.github} `].map((content) => {
      const logprobs = { content: [{ token: content }] };
      return JSON.stringify({ choices: [{ index: 0, delta: { content }, logprobs }] });
    });
    const out = rewrite(chunks);
    expect(out[0]).toBe(chunks[0]);
    expect(parse(out[1]).choices[0]?.logprobs).toBeNull();
  });

  it.each([
    [
      'reasoning in details',
      (text: string) => ({ reasoning_details: [{ type: 'reasoning.text', index: 0, text, signature: 's' }] }),
    ],
    ['a transcript', (text: string) => ({ audio: { id: 'a', transcript: text } })],
    ['the old function call', (text: string) => ({ function_call: { arguments: text } })],
    ['the input of a custom tool', (text: string) => ({ tool_calls: [{ index: 0, custom: { input: text } }] })],
  ])('reads %s', (_where, deltaOf) => {
    const out = rewrite([
      ...split(`a ${SECRETS.github} b`, 4).map((piece) => chunkOf(0, deltaOf(piece))),
      chunkOf(0, {}, 'stop'),
    ]).join('');
    expect(out).toContain('[REDACTED:github-token]');
    expect(out).not.toContain(SECRETS.github.slice(0, 12));
  });

  it('leaves out thinking that was signed and changed', () => {
    const blocks = [
      { type: 'thinking', thinking: `I know ${SECRETS.github} now`, signature: 's1' },
      { type: 'thinking', thinking: 'I know nothing', signature: 's2' },
    ];
    expect(parse(rewrite([chunkOf(0, { thinking_blocks: blocks })])[0]).choices[0]?.delta.thinking_blocks).toEqual([
      blocks[1],
    ]);
  });

  it('ends with what may go out before a rule that blocks, whatever the chunks', () => {
    const rules = compileRules(undefined, (filters) => {
      filters.secrets.responseAction = 'block';
    });
    for (const size of [1, 6, 100]) {
      const { rewriter, context, findings } = open(rules);
      const out: string[] = [];
      let before: readonly string[] = [];
      try {
        for (const piece of split(`It is ${SECRETS.github}, I think`, size))
          out.push(...rewriter.rewriteChunk(chunkOf(0, { content: piece })));
      } catch (error) {
        if (!(error instanceof BlockedAnswerError)) throw error;
        before = error.before;
      }
      expect(join([...out, ...before], 0, 'content')).toBe('It is ');
      expect(findings.toError()).toMatchObject({ code: 'content_filter', param: 'choices[0].delta.content' });
      expect(JSON.stringify(findings.toError().toEnvelope('r'))).not.toContain(SECRETS.github);
      expect(context.findings).toEqual([
        { filter: 'secrets', rule: 'github-token', path: 'choices[0].delta.content', action: 'block' },
      ]);
    }
  });

  it('says the same of choices and channels that take turns in any order as of a whole answer', () => {
    const texts = {
      content: `one ${SECRETS.awsId}.`,
      reasoning_content: `two ${SECRETS.gitlab}!`,
      refusal: `three ${SECRETS.stripe} gh`,
    };
    const message = { role: 'assistant' as const, ...texts };
    const completion: ChatCompletion = {
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [0, 1].map((index) => ({
        index,
        message: { ...message },
        finish_reason: 'stop' as const,
        logprobs: null,
      })),
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    };
    const whole = open().rewriter.rewriteCompletion(completion).choices[0]?.message as Record<string, unknown>;
    expect(JSON.stringify(whole).match(/REDACTED/g)).toHaveLength(3);
    const turns = fc.array(
      fc.tuple(
        fc.nat({ max: 1 }),
        fc.constantFrom('content', 'reasoning_content', 'refusal'),
        fc.integer({ min: 1, max: 9 }),
      ),
      { maxLength: 120 },
    );
    fc.assert(
      fc.property(turns, (order) => {
        const rest = new Map<string, string>();
        const chunks: string[] = [];
        const say = (index: number, key: string, size: number): void => {
          const name = `${index} ${key}`;
          const text = rest.get(name) ?? texts[key as keyof typeof texts];
          if (text !== '') chunks.push(chunkOf(index, { [key]: text.slice(0, size) }));
          rest.set(name, text.slice(size));
        };
        for (const [index, key, size] of order) say(index, key, size);
        for (const index of [0, 1]) {
          for (const key of Object.keys(texts)) say(index, key, 1_000);
          chunks.push(chunkOf(index, {}, 'stop'));
        }
        const out = rewrite(chunks);
        for (const index of [0, 1])
          for (const key of Object.keys(texts)) expect(join(out, index, key)).toBe(whole[key]);
      }),
    );
  });
});
