import { chunkEvent, type ScriptedAnswer, streamAnswer } from '../../support/scriptable-upstream.js';

export const EVENT_STREAM = { 'content-type': 'text/event-stream' };

/** `one `, `two ` … as many as are asked for. */
export function words(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `w${index} `);
}

/** A stream that goes on for a long time: 100 chunks in 20 seconds. */
export function longStreamAnswer(): ScriptedAnswer {
  return { ...streamAnswer(words(100)), pieceDelayMs: 200 };
}

/** OpenAI's stream up to and with these words, then these events as they are. */
export function streamOf(some: readonly string[], ...events: readonly (string | Buffer)[]): ScriptedAnswer {
  return {
    headers: EVENT_STREAM,
    body: [
      chunkEvent({ role: 'assistant', content: '' }),
      ...some.map((word) => chunkEvent({ content: word })),
      ...events,
    ],
  };
}

function anthropicEvent(data: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** How Anthropic begins a stream: lifecycle events, and 25 input tokens counted. */
export const ANTHROPIC_START: readonly string[] = [
  anthropicEvent({
    type: 'message_start',
    message: {
      id: 'msg_scripted',
      type: 'message',
      role: 'assistant',
      model: 'claude-haiku-4-5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 25, output_tokens: 1 },
    },
  }),
  anthropicEvent({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  anthropicEvent({ type: 'ping' }),
];

export function anthropicText(text: string): string {
  return anthropicEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
}

export const ANTHROPIC_OVERLOADED = anthropicEvent({
  type: 'error',
  error: { type: 'overloaded_error', message: 'Overloaded' },
});

export const ANTHROPIC_END: readonly string[] = [
  anthropicEvent({ type: 'content_block_stop', index: 0 }),
  anthropicEvent({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 7 },
  }),
  anthropicEvent({ type: 'message_stop' }),
];

export function anthropicStream(...events: readonly string[]): ScriptedAnswer {
  return { headers: EVENT_STREAM, body: events };
}
