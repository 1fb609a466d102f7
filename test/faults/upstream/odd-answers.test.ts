import { loadOpenAiSchema } from '../../support/openai-schema.js';
import { findShared, loadRecordings } from '../../support/recordings.js';
import { chunkEvent, type ScriptedAnswer, streamAnswer } from '../../support/scriptable-upstream.js';
import { expectWhole, type FaultGateway, FaultSite, MODEL, target } from '../support/fault-site.js';
import { note } from '../support/notes.js';
import { EVENT_STREAM } from '../support/provider-answers.js';

const site = new FaultSite();
const recordings = findShared('recordings');
const schema = loadOpenAiSchema();
const streams = (recordings ? loadRecordings(recordings, ['chat.completions', 'messages']) : []).filter(
  ({ recording, oracle }) => recording.stream && oracle.ok === true,
);

const TEXT = ['Grüße ', '– ', '日本 ', '🦊🏔 ', 'end'];
const PLAIN = (streamAnswer(TEXT).body as readonly string[]).join('');

/** The same events, framed in every way that server-sent events may be. */
const FRAMINGS: [string, string][] = [
  ['CRLF', PLAIN.replaceAll('\n', '\r\n')],
  ['CR alone', PLAIN.replaceAll('\n', '\r')],
  ['no blank after the colon', PLAIN.replaceAll('data: ', 'data:')],
  ['comments between events', PLAIN.replaceAll('\n\n', '\n\n: PROCESSING\n\n')],
  ['comments inside events', PLAIN.replaceAll('data: {', ': inside\ndata: {')],
  [
    'names, ids and fields nobody knows',
    PLAIN.replaceAll('data: {', 'event: message\nid: 7\nretry: 10\nx-y: z\ndata: {'),
  ],
  ['data over several lines', PLAIN.replaceAll(',"object"', '\ndata: ,"object"')],
  ['a byte order mark', `\uFEFF${PLAIN}`],
  ['many blank lines', PLAIN.replaceAll('\n\n', '\n\n\n\n\n')],
];

describe('server-sent events', () => {
  it.each(FRAMINGS)(
    'row 21: are read the same, whole and in pieces of 1, 2, 3, 7 and 1,460 bytes: %s',
    async (_name, body) => {
      const upstream = await site.upstream();
      const gateway = await site.gateway([target(upstream)]);
      for (const sliceBytes of [0, 1, 2, 3, 7, 1460]) {
        upstream.script({ headers: EVENT_STREAM, body, sliceBytes });
        expectWhole(await gateway.stream(), TEXT.join(''));
      }
    },
  );
});

describe('recorded streams', () => {
  /** Bytes above which a recording is not cut into the smallest pieces: each is a write of its own. */
  const SMALL = 8_000;

  it.each(['openai_compatible', 'anthropic'])(
    'row 21: give the same output however they are cut: %s',
    async (type) => {
      if (streams.length === 0) note('no recordings: only scripted streams were cut');
      const upstream = await site.upstream();
      const gateway = await site.gateway([target(upstream, { type })]);
      let compared = 0;
      for (const { recording } of streams.filter((entry) => typeOf(entry.recording.provider) === type)) {
        const answer = { headers: recording.replay_headers, body: recording.body_text };
        const whole = await outputOf(gateway, () => upstream.script(answer));
        const sizes = recording.body_text.length <= SMALL ? [1, 2, 3, 7, 1460] : [1460];
        for (const sliceBytes of sizes) {
          const cut = await outputOf(gateway, () => upstream.script({ ...answer, sliceBytes }));
          expect({ id: recording.id, sliceBytes, cut }).toEqual({ id: recording.id, sliceBytes, cut: whole });
          compared++;
        }
      }
      note(`${compared} comparisons`);
    },
    60_000,
  );

  async function outputOf(gateway: FaultGateway, script: () => unknown): Promise<string[]> {
    script();
    const { events, status } = await gateway.stream();
    expect(status).toBe(200);
    // The time at which AEGIS answered stands in it where the provider said none.
    return events.map((data) => data.replace(/"created":\d+/, '"created":0'));
  }
});

function typeOf(provider: string): string {
  return provider === 'anthropic' ? 'anthropic' : 'openai_compatible';
}

describe('chunks that are odd and valid', () => {
  const base = { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm' };
  const event = (value: object): string => `data: ${JSON.stringify({ ...base, ...value })}\n\n`;
  const choice = (value: object): object => ({ choices: [{ index: 0, ...value }] });
  const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
  const ODD: [string, readonly string[]][] = [
    [
      "Azure's first chunk without choices, object and id",
      [
        event({ id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [{ prompt_index: 0 }] }),
        chunkEvent({ role: 'assistant', content: 'good' }),
        chunkEvent({}, 'stop'),
      ],
    ],
    [
      'a choice without a delta',
      [event(choice({ delta: { role: 'assistant', content: 'good' } })), event(choice({ finish_reason: 'stop' }))],
    ],
    [
      'usage on the chunk that finishes',
      [
        event(choice({ delta: { role: 'assistant', content: 'good' }, finish_reason: null })),
        event({ ...choice({ delta: {}, finish_reason: 'stop' }), usage }),
      ],
    ],
    [
      'no finish_reason before the last one',
      [event(choice({ delta: { content: 'good' } })), event(choice({ delta: {}, finish_reason: 'stop' }))],
    ],
    [
      'no role',
      [
        event(choice({ delta: { content: 'go' }, finish_reason: null })),
        event(choice({ delta: { content: 'od' }, finish_reason: 'stop' })),
      ],
    ],
  ];

  async function finalContent(gateway: FaultGateway): Promise<string | null | undefined> {
    const stream = gateway.gateway.openai().chat.completions.stream({
      model: MODEL,
      messages: [{ role: 'user', content: 'hi' }],
      stream_options: { include_usage: true },
    });
    stream.on('chunk', (chunk) => expect(schema?.checkChunk(chunk) ?? []).toEqual([]));
    return (await stream.finalChatCompletion()).choices[0]?.message.content;
  }

  it.each(ODD)('row 23: reach the official SDK as it expects them: %s', async (_name, events) => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { type: 'openai_compatible' })]);
    const answer: ScriptedAnswer = { headers: EVENT_STREAM, body: [...events, 'data: [DONE]\n\n'] };
    upstream.script(answer);
    expectWhole(await gateway.stream(), 'good');
    expect(await finalContent(gateway)).toBe('good');
  });

  const recorded = streams.filter(({ recording }) =>
    ['azure', 'vllm', 'compat'].some((p) => recording.id.startsWith(p)),
  );
  (recorded.length > 0 && schema ? it : it.skip)('row 23: as recorded of Azure, vLLM and their kin', async () => {
    const upstream = await site.upstream();
    const gateway = await site.gateway([target(upstream, { type: 'openai_compatible' })]);
    for (const { recording, oracle } of recorded) {
      upstream.script({ headers: recording.replay_headers, body: recording.body_text });
      const text = oracle.choices?.[0]?.text || null;
      expect({ id: recording.id, text: (await finalContent(gateway)) || null }).toEqual({ id: recording.id, text });
    }
    note(`${recorded.length} recordings`);
  });
});
