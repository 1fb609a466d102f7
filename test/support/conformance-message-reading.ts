import {
  asText,
  type Event,
  isRecord,
  Malformed,
  meaningOf,
  parseObject,
  type Reading,
  readWhole,
  StreamReading,
  type ToldChoice,
} from './conformance-told.js';

/** A stream of Anthropic's; the first message of it is the answer. */
export class MessageStreamReading extends StreamReading {
  private starts = 0;
  private text = '';
  private reasoning = '';
  private refusal = '';
  private finish: string | null = null;
  private readonly tools: { readonly key: unknown; readonly name: string; readonly input: unknown; json: string }[] =
    [];

  protected take({ name, data }: Event): void {
    if (this.closed) {
      if (/"type":\s*"message_start"/.test(data)) this.oddities.add('several messages');
      return;
    }
    const event = parseObject(data);
    if (event.type === 'error' || name === 'error' || isRecord(event.error)) {
      this.fail(event.error ?? event);
      return;
    }
    if (event.type !== 'message_start' && event.type !== 'ping' && this.starts === 0 && isKnown(event.type)) {
      throw new Malformed('an event before message_start');
    }
    const delta = isRecord(event.delta) ? event.delta : {};
    switch (event.type) {
      case 'message_start': {
        if (++this.starts > 1) this.oddities.add('message_start twice');
        const message = isRecord(event.message) ? event.message : {};
        this.count(message.usage);
        if (this.starts === 1 && Array.isArray(message.content)) message.content.forEach(this.openBlock);
        return;
      }
      case 'content_block_start':
        this.openBlock(event.content_block, event.index);
        return;
      case 'content_block_delta': {
        if (delta.type === 'text_delta') this.text += asText(delta.text);
        if (delta.type === 'thinking_delta') this.reasoning += asText(delta.thinking);
        const tool = this.tools.findLast(({ key }) => key === event.index);
        if (delta.type === 'input_json_delta' && tool) tool.json += asText(delta.partial_json);
        return;
      }
      case 'message_delta':
        this.count(event.usage);
        if (typeof delta.stop_reason === 'string') this.finish = delta.stop_reason;
        this.refusal += explanationOf(delta.stop_details);
        return;
      case 'message_stop':
        this.closed = true;
        return;
    }
  }

  /** A message may begin with whole blocks: calls that programs in code execution made. */
  private readonly openBlock = (block: unknown, key: unknown): void => {
    if (!isRecord(block)) return;
    if (block.type === 'text') this.text += asText(block.text);
    if (block.type === 'thinking') this.reasoning += asText(block.thinking);
    if (block.type === 'tool_use')
      this.tools.push({ key, name: asText(block.name), input: block.input ?? {}, json: '' });
  };

  private count(usage: unknown): void {
    if (!isRecord(usage)) return;
    this.usage = { ...this.usage, ...Object.fromEntries(Object.entries(usage).filter(([, count]) => count !== null)) };
  }

  protected isWhole(): boolean {
    return this.closed;
  }

  protected told(): ToldChoice[] {
    const { text, reasoning, refusal, finish } = this;
    const tools = this.tools.map(({ name, input, json }) => ({
      name,
      arguments: json === '' ? input : meaningOf(json),
    }));
    return [{ index: 0, finish, text, reasoning, refusal, tools, functionCall: null }];
  }
}

export function readMessage(body: string): Reading {
  return readWhole(body, (answer) => {
    if (!Array.isArray(answer.content)) return null;
    const blocks = answer.content.filter(isRecord);
    const joined = (type: string, field: string): string =>
      blocks.map((block) => (block.type === type ? asText(block[field]) : '')).join('');
    const tools = blocks.filter(({ type }) => type === 'tool_use');
    return [
      {
        index: 0,
        finish: typeof answer.stop_reason === 'string' ? answer.stop_reason : null,
        text: joined('text', 'text'),
        reasoning: joined('thinking', 'thinking'),
        refusal: explanationOf(answer.stop_details),
        tools: tools.map(({ name, input }) => ({ name: asText(name), arguments: input ?? {} })),
        functionCall: null,
      },
    ];
  });
}

function explanationOf(stopDetails: unknown): string {
  return isRecord(stopDetails) && stopDetails.type === 'refusal' ? asText(stopDetails.explanation) : '';
}

function isKnown(type: unknown): boolean {
  return typeof type === 'string' && /^(message_|content_block_)/.test(type);
}
