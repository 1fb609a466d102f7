import { SetMetadata } from '@nestjs/common';

/** Who may call a route. `key`: an API key, then filter, classification and accounting. `public`: anyone. */
export type Access = 'key' | 'public';

export const ACCESS_METADATA = 'aegis:access';

/** Every route handler (or its controller) declares this; the process refuses to start where one does not. */
export const RouteAccess = (access: Access): MethodDecorator & ClassDecorator => SetMetadata(ACCESS_METADATA, access);
