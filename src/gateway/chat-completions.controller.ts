import { Body, Controller, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import type { ChatAnswer } from '../domain/chat-answer.js';
import type { ScreenedRequest } from '../domain/screened-request.js';
import { FilterPipe } from '../filter/filter.pipe.js';
import { RouteAccess } from '../request-context/access.decorator.js';
import { RouterService } from '../router/router.service.js';
import { ChatRequestPipe } from './chat-request.pipe.js';
import { CHAT_REQUEST_SCHEMA } from './chat-request.schema.js';
import { errorResponses } from './openapi.js';
import { SseInterceptor } from './sse.interceptor.js';

@ApiTags('OpenAI')
@ApiBearerAuth()
@Controller('v1/chat/completions')
export class ChatCompletionsController {
  constructor(private readonly router: RouterService) {}

  /** JSON, or server-sent events with `stream: true`. `SseInterceptor` writes either, so Nest writes nothing. */
  @Post()
  @RouteAccess('key')
  @UseInterceptors(SseInterceptor)
  @ApiBody({ schema: CHAT_REQUEST_SCHEMA as object })
  @ApiResponse({
    status: 200,
    description: 'The completion; with `stream: true`, chunks as server-sent events and `[DONE]`.',
    content: {
      'application/json': { schema: { $ref: '#/components/schemas/ChatCompletion' } },
      'text/event-stream': { schema: { type: 'string' } },
    },
  })
  @errorResponses(400, 401, 402, 403, 404, 405, 413, 415, 429, 500, 502, 503, 504)
  create(
    @Body(ChatRequestPipe, FilterPipe) request: ScreenedRequest,
    @Req() { aegis }: FastifyRequest,
    @Res() _reply: FastifyReply,
  ): Observable<ChatAnswer> {
    return this.router.route(request, aegis);
  }
}
