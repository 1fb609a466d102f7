import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController, type OpenAPIObject } from '@nestjs/swagger';
import { AegisError } from '../domain/errors.js';
import { RouteAccess } from '../request-context/access.decorator.js';

@ApiExcludeController()
@Controller('aegis/v1/openapi.json')
export class OpenApiController {
  private document: OpenAPIObject | null = null;

  /** Set once the application knows all its routes. */
  publish(document: OpenAPIObject): void {
    this.document = document;
  }

  @Get()
  @RouteAccess('public')
  get(): OpenAPIObject {
    if (this.document === null) throw new AegisError('not_found', 'The OpenAPI document is not there yet.');
    return this.document;
  }
}
