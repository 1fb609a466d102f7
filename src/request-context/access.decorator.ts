import { applyDecorators, SetMetadata } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';

/** Who may call a route. `key`: an API key, then filter, classification and accounting. `public`: anyone. */
export type Access = 'key' | 'public';

export const ACCESS_METADATA = 'aegis:access';

/**
 * Every route handler declares this; the process refuses to start where one does not. Nest's guard reads it as
 * metadata, the first request hook as the Fastify route's `config.access`.
 */
export const RouteAccess = (access: Access): MethodDecorator =>
  applyDecorators(SetMetadata(ACCESS_METADATA, access), RouteConfig({ access }));
