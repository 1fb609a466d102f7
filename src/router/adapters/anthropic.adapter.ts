import { Injectable } from '@nestjs/common';
import type {
  AnswerContext,
  ParsedCompletion,
  ProviderAdapter,
  StreamTranslator,
  UpstreamHeaders,
  UpstreamRequest,
} from '../../domain/provider-adapter.js';
import type { ScreenedRequest } from '../../domain/screened-request.js';
import type { Target } from '../../domain/target.js';
import type { UpstreamError } from '../../domain/upstream-error.js';
import { parseAnthropicCompletion } from './anthropic-completion.js';
import { toAnthropicFault } from './anthropic-error.js';
import { buildAnthropicBody } from './anthropic-request.js';
import { AnthropicStream } from './anthropic-stream.js';
import { readErrorBody } from './error-body.js';
import { stringifyExactly } from './exact-numbers.js';
import { buildHeaders } from './request-headers.js';

const API_VERSION = '2023-06-01';

/**
 * Anthropic's Messages API, translated both ways.
 * Source: https://docs.anthropic.com/en/api/messages
 */
@Injectable()
export class AnthropicAdapter implements ProviderAdapter {
  readonly type = 'anthropic';

  buildRequest(request: ScreenedRequest, target: Target): UpstreamRequest {
    const { provider } = target;
    return {
      method: 'POST',
      url: `${provider.baseUrl}/messages`,
      headers: buildHeaders(provider, request.chat.stream === true, {
        'anthropic-version': API_VERSION,
        ...(provider.credential !== '' && { 'x-api-key': provider.credential }),
      }),
      body: stringifyExactly(buildAnthropicBody(request, target)),
    };
  }

  parseCompletion(body: Buffer, context: AnswerContext): ParsedCompletion {
    return parseAnthropicCompletion(body, context);
  }

  openStream(context: AnswerContext): StreamTranslator {
    return new AnthropicStream(context);
  }

  parseError(status: number, headers: UpstreamHeaders, body: Buffer): UpstreamError {
    return toAnthropicFault(status, readErrorBody(body), { fromStatus: true, headers });
  }
}
