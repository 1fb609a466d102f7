import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import { type Agent, request } from 'undici';
import type { RawAnswer } from './conformance-output.js';
import { seedOf } from './conformance-variants.js';
import type { TestGateway } from './gateway.js';
import type { Recording } from './recordings.js';
import type { Replay, ReplayToken, ReplayUpstream } from './replay-upstream.js';

/** A gateway, as far as a client knows it. */
export type GatewayUnderTest = Pick<TestGateway, 'url' | 'key' | 'openai'>;

/** Asks a gateway for one recording, in the ways clients do. */
export class ReplayClient {
  /** Which of the gateway's models stands for the provider that the recording came from. */
  readonly alias: string;
  /** The same for every replay, so that ids made of it are the same too. */
  readonly requestId: string;

  constructor(
    private readonly recording: Recording,
    private readonly gateway: GatewayUnderTest,
    private readonly upstream: ReplayUpstream,
    private readonly agent: Agent,
  ) {
    this.alias = aliasOf(recording);
    this.requestId = `conformance-${seedOf(recording.id)}`;
  }

  /** Over bare HTTP: a stream where the recording is one, with the usage asked for. */
  ask(pieces: readonly Buffer[] = [this.bytes()], ending: Replay['ending'] = 'complete'): Promise<RawAnswer> {
    return this.during(pieces, ending, async (token) => {
      const { stream } = this.recording;
      const body = { ...this.question(token), ...(stream && { stream, stream_options: { include_usage: true } }) };
      const answer = await request(`${this.gateway.url}/v1/chat/completions`, {
        method: 'POST',
        dispatcher: this.agent,
        headers: {
          authorization: `Bearer ${this.gateway.key}`,
          'content-type': 'application/json',
          'x-request-id': this.requestId,
        },
        body: JSON.stringify(body),
      });
      return { status: answer.statusCode, ...(await readToEnd(answer.body)) };
    });
  }

  /** The SDK's chunks, one by one; nobody asks for the usage. */
  iterate(): Promise<ChatCompletionChunk[]> {
    return this.during([this.bytes()], 'complete', async (token) => {
      const chunks: ChatCompletionChunk[] = [];
      const stream = await this.gateway.openai().chat.completions.create({ ...this.question(token), stream: true });
      for await (const chunk of stream) chunks.push(chunk);
      return chunks;
    });
  }

  /** What the SDK puts together of a stream. */
  collect(): Promise<ChatCompletion> {
    return this.during([this.bytes()], 'complete', (token) =>
      this.gateway
        .openai()
        .chat.completions.stream({ ...this.question(token), stream_options: { include_usage: true } })
        .finalChatCompletion(),
    );
  }

  /** The SDK's answer that is no stream. */
  complete(): Promise<ChatCompletion> {
    return this.during([this.bytes()], 'complete', (token) =>
      this.gateway.openai().chat.completions.create(this.question(token)),
    );
  }

  private during<T>(
    pieces: readonly Buffer[],
    ending: Replay['ending'],
    use: (token: ReplayToken) => Promise<T>,
  ): Promise<T> {
    const { status, replay_headers: headers } = this.recording;
    return this.upstream.during({ status, headers, pieces, ending }, use);
  }

  private bytes(): Buffer {
    return Buffer.from(this.recording.body_text);
  }

  private question(token: ReplayToken) {
    return { model: this.alias, messages: [{ role: 'user' as const, content: token }] };
  }
}

function aliasOf({ api, provider }: Recording): string {
  if (api === 'messages') return 'anthropic';
  return ['openai', 'azure', 'vllm'].includes(provider) ? provider : 'compatible';
}

async function readToEnd(body: AsyncIterable<Buffer>): Promise<{ text: string; clean: boolean }> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of body) pieces.push(piece);
    return { text: Buffer.concat(pieces).toString('utf8'), clean: true };
  } catch {
    return { text: Buffer.concat(pieces).toString('utf8'), clean: false };
  }
}
