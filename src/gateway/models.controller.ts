import { Controller, Get, Param, Req, UseInterceptors } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { UsageInterceptor } from '../accounting/usage.interceptor.js';
import { AuditInterceptor } from '../audit/audit.interceptor.js';
import type { ModelRoute } from '../config/snapshot.js';
import { AegisError } from '../domain/errors.js';
import { mayUseModel } from '../domain/principal.js';
import { RouteAccess } from '../request-context/access.decorator.js';
import type { RequestContext } from '../request-context/request-context.js';
import { errorResponses, jsonResponse } from './openapi.js';

/** An entry of OpenAI's model list, with the name people see beside it. */
interface ModelEntry {
  readonly id: string;
  readonly object: 'model';
  readonly created: number;
  readonly owned_by: 'aegis';
  readonly display_name: string;
}

/** The aliases a key may use. What it may not use is not there at all. */
@ApiTags('OpenAI')
@ApiBearerAuth()
@Controller('v1/models')
@UseInterceptors(AuditInterceptor, UsageInterceptor)
export class ModelsController {
  @Get()
  @RouteAccess('key')
  @jsonResponse('The aliases this key may use, in config order.', 'ModelList')
  @errorResponses(400, 401, 403, 415, 429, 500, 503)
  list(@Req() { aegis }: FastifyRequest): { object: 'list'; data: ModelEntry[] } {
    return { object: 'list', data: allowedRoutes(aegis).map((route) => toEntry(route, aegis)) };
  }

  @Get(':id')
  @RouteAccess('key')
  @jsonResponse('One alias.', 'Model')
  @errorResponses(400, 401, 403, 404, 415, 429, 500, 503)
  get(@Param('id') id: string, @Req() { aegis }: FastifyRequest): ModelEntry {
    const route = allowedRoutes(aegis).find(({ alias }) => alias === id);
    if (!route)
      throw new AegisError('model_not_found', 'There is no such model, or this key may not use it.', {
        param: 'model',
      });
    return toEntry(route, aegis);
  }
}

function allowedRoutes({ snapshot, principal }: RequestContext): ModelRoute[] {
  if (principal === null) return [];
  return [...snapshot.models.values()].filter(({ alias }) => mayUseModel(principal, alias));
}

function toEntry(route: ModelRoute, { snapshot }: RequestContext): ModelEntry {
  return {
    id: route.alias,
    object: 'model',
    created: Math.floor(snapshot.loadedAtMs / 1000),
    owned_by: 'aegis',
    display_name: route.displayName,
  };
}
