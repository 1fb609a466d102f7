import { type ModelCall, SIGNATURE, type Wire } from './provider-wire.js';
import type { RecordedRequest } from './scriptable-upstream.js';

/** What reached a provider, whichever words it takes. */
export interface ReadRequest {
  readonly prompt: string;
  readonly tools: readonly object[];
  readonly stream: boolean;
  /** Each turn of the assistant, with what follows it at once. */
  readonly rounds: readonly Round[];
}

export interface Round {
  readonly said: string;
  readonly calls: readonly ModelCall[];
  readonly results: readonly { readonly id: string; readonly text: string }[];
}

type Json = Readonly<Record<string, unknown>>;

/** A conversation with one question, as it reached a provider. Fails where its turns are not what the provider takes. */
export function readRequest(wire: Wire, request: RecordedRequest | undefined): ReadRequest {
  const body = bodyOf(request);
  return wire === 'anthropic' ? readAnthropic(body) : readOpenAi(body);
}

/** How a provider was made to answer with an object. */
export function readFormat(wire: Wire, request: RecordedRequest | undefined): object {
  const body = bodyOf(request);
  const choice = body.tool_choice as Json | undefined;
  if (wire === 'anthropic') {
    const format = (body.output_config as { format?: Json } | undefined)?.format;
    if (format) return { schema: format.schema };
    return choice?.type === 'tool' ? { tool: choice.name } : {};
  }
  if (choice) return { tool: (choice.function as Json).name };
  const format = body.response_format as Json | undefined;
  if (format?.type === 'json_schema') return { schema: (format.json_schema as Json).schema };
  return format ? { json: format.type } : {};
}

function bodyOf(request: RecordedRequest | undefined): Json {
  if (!request) throw new Error('the request never reached the upstream');
  return request.json() as Json;
}

function readOpenAi(body: Json): ReadRequest {
  const messages = (body.messages as Json[]).filter(({ role }) => role !== 'system' && role !== 'developer');
  const [user, ...later] = messages;
  const rounds: { said: string; calls: ModelCall[]; results: { id: string; text: string }[] }[] = [];
  let previous = user?.role;
  for (const message of later) {
    // The Agents SDK says a text and the calls after it in two messages of their own.
    if (message.role === 'assistant' && previous !== 'assistant') rounds.push({ said: '', calls: [], results: [] });
    previous = message.role;
    const round = rounds.at(-1);
    if (!round) throw new Error(`${message.role} speaks before the assistant`);
    if (message.role === 'assistant') {
      round.said += textOf(message.content);
      round.calls.push(...readCalls(message.tool_calls));
    } else {
      expect(message.role).toBe('tool');
      round.results.push({ id: String(message.tool_call_id), text: textOf(message.content) });
    }
  }
  const tools = (body.tools ?? []) as { readonly function: Json }[];
  return {
    prompt: textOf(user?.content),
    tools: tools.map(({ function: { name, description, parameters } }) => toolOf(name, description, parameters)),
    stream: body.stream === true,
    rounds,
  };
}

function readCalls(calls: unknown): ModelCall[] {
  return ((calls ?? []) as { id: string; function: { name: string; arguments: string } }[]).map(
    ({ id, function: { name, arguments: text } }) => ({ id, name, input: JSON.parse(text || '{}') }),
  );
}

function readAnthropic(body: Json): ReadRequest {
  const turns = body.messages as { readonly role: string; readonly content: Json[] }[];
  expect(turns.map(({ role }) => role)).toEqual(turns.map((_turn, index) => (index % 2 === 0 ? 'user' : 'assistant')));
  const rounds = turns.flatMap(({ role, content }, index): Round[] => {
    if (role !== 'assistant') return [];
    // Anthropic thinks on only from a beginning that it has signed.
    if ((body.thinking as Json | undefined)?.type === 'enabled') {
      expect(content[0]).toMatchObject({ type: 'thinking', signature: SIGNATURE });
    }
    const results = turns[index + 1]?.content ?? [];
    expect(results.map(({ type }) => type)).toEqual(results.map(() => 'tool_result'));
    const calls = content.filter(({ type }) => type === 'tool_use');
    return [
      {
        said: textOf(content.filter(({ type }) => type === 'text')),
        calls: calls.map(({ id, name, input }) => ({ id, name, input }) as ModelCall),
        results: results.map((block) => ({ id: String(block.tool_use_id), text: textOf(block.content) })),
      },
    ];
  });
  const tools = (body.tools ?? []) as Json[];
  return {
    prompt: textOf(turns[0]?.content),
    tools: tools.map(({ name, description, input_schema: parameters }) => toolOf(name, description, parameters)),
    stream: body.stream === true,
    rounds,
  };
}

/** Both formats take a text, or parts of one. */
function textOf(content: unknown): string {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  return (content as Json[]).map(({ text }) => text).join('');
}

/** Some libraries name the dialect of a schema; it is no part of what they were given. */
function toolOf(name: unknown, description: unknown, parameters: unknown): object {
  const { $schema: _dialect, ...schema } = parameters as Json;
  return { name, description, parameters: schema };
}
