import { Controller, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Observable, of } from 'rxjs';
import type { ChatAnswer } from '../domain/chat-answer.js';
import { AegisError } from '../domain/errors.js';
import { type ExplanationAnswer, explainForecast, explainKey, findRaise } from '../domain/explanation.js';
import type { ScreenedRequest } from '../domain/screened-request.js';
import { FilterPipe } from '../filter/filter.pipe.js';
import { RouteAccess } from '../request-context/access.decorator.js';
import type { RequestContext } from '../request-context/request-context.js';
import { BodyInContext } from '../request-context/request-in-context.js';
import { RouterService } from '../router/router.service.js';
import { ChatRequestPipe } from './chat-request.pipe.js';
import { CHAT_REQUEST_SCHEMA } from './chat-request.schema.js';
import { wantsExplanation } from './explain-header.js';
import { ChatInterceptors } from './interceptor-chain.js';
import { errorResponses } from './openapi.js';
import { ROUTING_DECISION_SCHEMA } from './routing-decision.schema.js';

@ApiTags('OpenAI')
@ApiBearerAuth()
@Controller('v1/chat/completions')
export class ChatCompletionsController {
  constructor(private readonly router: RouterService) {}

  /** JSON, or server-sent events with `stream: true`. `SseInterceptor`, the outermost of the chat interceptors, writes either, so Nest writes nothing. */
  @Post()
  @RouteAccess('key')
  @UseInterceptors(ChatInterceptors)
  @ApiBody({ schema: CHAT_REQUEST_SCHEMA as object })
  @ApiHeader({
    name: 'X-Aegis-Explain',
    required: false,
    description: '`1`: answer with the routing decision and call nobody. For keys with the right to explain.',
    schema: { type: 'string', enum: ['1', 'true'] },
  })
  @ApiResponse({
    status: 200,
    description:
      'The completion; with `stream: true`, chunks as server-sent events and `[DONE]`; with `X-Aegis-Explain`, the routing decision.',
    content: {
      'application/json': {
        schema: { oneOf: [{ $ref: '#/components/schemas/ChatCompletion' }, ROUTING_DECISION_SCHEMA] },
      },
      'text/event-stream': { schema: { type: 'string' } },
    },
  })
  @errorResponses(400, 401, 402, 403, 404, 405, 413, 415, 429, 500, 502, 503, 504)
  create(
    @BodyInContext(ChatRequestPipe, FilterPipe) request: ScreenedRequest,
    @Req() { aegis, headers }: FastifyRequest,
    @Res() _reply: FastifyReply,
  ): Observable<ChatAnswer | ExplanationAnswer> {
    return wantsExplanation(headers) ? of(this.explain(request, aegis)) : this.router.route(request, aegis);
  }

  private explain(request: ScreenedRequest, context: RequestContext): ExplanationAnswer {
    const { principal, requestId, requestedLevel } = context;
    if (!principal?.mayExplain) {
      throw new AegisError('explain_not_allowed', 'This API key may not ask how requests are routed.', {
        param: 'X-Aegis-Explain',
      });
    }
    const { object, ...decision } = explainForecast(this.router.foresee(request, context));
    const { findings, level } = request;
    return {
      kind: 'explanation',
      explanation: {
        object,
        request_id: requestId,
        key: explainKey(principal),
        raised_by: findRaise({ principal, requestedLevel, findings, level }),
        ...decision,
      },
    };
  }
}
