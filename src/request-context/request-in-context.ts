import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { WellFormedRequest } from '../domain/screened-request.js';
import type { RequestContext } from './request-context.js';

/** What a pipe is given of a request: its parsed body, and what is known of it. */
export interface ReceivedRequest<Body> {
  readonly body: Body;
  readonly context: RequestContext;
}

/** A well-formed request, and what is known of it. */
export interface RequestInContext extends WellFormedRequest {
  readonly context: RequestContext;
}

/** The body for pipes that need the request's context: Nest's own `@Body()` gives them nothing else. */
export const BodyInContext = createParamDecorator((_: unknown, execution: ExecutionContext) => {
  const { body, aegis } = execution.switchToHttp().getRequest<FastifyRequest>();
  return { body, context: aegis } satisfies ReceivedRequest<unknown>;
});
