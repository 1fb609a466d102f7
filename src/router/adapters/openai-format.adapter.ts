import type { ChatMessage } from '../../domain/chat.js';
import { isObject } from '../../domain/json.js';
import type {
  AnswerContext,
  ParsedCompletion,
  ProviderAdapter,
  StreamTranslator,
  UpstreamHeaders,
  UpstreamRequest,
} from '../../domain/provider-adapter.js';
import type { ScreenedRequest } from '../../domain/screened-request.js';
import type { Provider, ProviderType, Target } from '../../domain/target.js';
import type { UpstreamError } from '../../domain/upstream-error.js';
import { THINKING_BLOCKS } from './anthropic-own-words.js';
import { readErrorBody } from './error-body.js';
import { parseExactly, restoreNumbers } from './exact-numbers.js';
import { parseOpenAiCompletion } from './openai-completion.js';
import { OpenAiStream } from './openai-stream.js';
import { buildHeaders } from './request-headers.js';
import { toUpstreamError } from './upstream-faults.js';

/**
 * Everything that speaks OpenAI's chat completions. Requests keep the client's bytes but for the model and, in streams,
 * the demand for a usage count; answers are repaired to OpenAI's published schema.
 * Source: https://platform.openai.com/docs/api-reference/chat
 */
export abstract class OpenAiFormatAdapter implements ProviderAdapter {
  abstract readonly type: ProviderType;

  /** Fields of messages that clients send back as they got them from AEGIS, and that this provider does not know. */
  protected readonly foreignFields: readonly string[] = [THINKING_BLOCKS];

  buildRequest(request: ScreenedRequest, target: Target): UpstreamRequest {
    const isStream = request.chat.stream === true;
    return {
      method: 'POST',
      url: this.buildUrl(target),
      headers: buildHeaders(target.provider, isStream, this.credentialHeaders(target.provider)),
      body: withChanges(request, this.foreignFields, {
        model: this.modelName(target),
        // Every answer is counted, whether or not the client wants to see the count.
        stream_options: isStream ? { ...findOptions(request), include_usage: true } : undefined,
      }),
    };
  }

  parseCompletion(body: Buffer, context: AnswerContext): ParsedCompletion {
    return parseOpenAiCompletion(body, context);
  }

  openStream(context: AnswerContext): StreamTranslator {
    return new OpenAiStream(context);
  }

  parseError(status: number, headers: UpstreamHeaders, body: Buffer): UpstreamError {
    return toUpstreamError(status, readErrorBody(body), { fromStatus: true, headers });
  }

  protected buildUrl(target: Target): string {
    return `${target.provider.baseUrl}/chat/completions`;
  }

  protected modelName(target: Target): string {
    return target.model;
  }

  protected credentialHeaders({ credential }: Provider): Record<string, string> {
    return credential === '' ? {} : { authorization: `Bearer ${credential}` };
  }
}

function findOptions(request: ScreenedRequest): Record<string, unknown> {
  const options: unknown = request.chat.stream_options;
  return isObject(options) ? options : {};
}

/** The client's bytes with some members set; the messages are written anew only where they hold a foreign field. */
function withChanges(
  { body, chat }: ScreenedRequest,
  foreignFields: readonly string[],
  changes: Readonly<Record<string, unknown>>,
): Buffer {
  const isForeign = (field: string): boolean => foreignFields.includes(field);
  const holdsForeign =
    foreignFields.some((field) => body.bytes.includes(`"${field}"`)) &&
    chat.messages.some((message) => Object.keys(message).some(isForeign));
  const messages = holdsForeign ? body.find('messages') : null;
  if (messages === null) return body.with(changes);
  const cleaned = (parseExactly(messages) as ChatMessage[]).map((message) =>
    Object.fromEntries(Object.entries(message).filter(([field]) => !isForeign(field))),
  );
  return Buffer.from(restoreNumbers(body.with({ ...changes, messages: cleaned }).toString()));
}
