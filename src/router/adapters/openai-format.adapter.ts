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
import { readErrorBody } from './error-body.js';
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

  buildRequest(request: ScreenedRequest, target: Target): UpstreamRequest {
    const isStream = request.chat.stream === true;
    return {
      method: 'POST',
      url: this.buildUrl(target),
      headers: buildHeaders(target.provider, isStream, this.credentialHeaders(target.provider)),
      body: request.body.with({
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
