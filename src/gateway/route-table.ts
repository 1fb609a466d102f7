import type { RouteOptions } from 'fastify';
import type { Access } from '../request-context/access.decorator.js';

interface KnownRoute {
  readonly methods: readonly string[];
  readonly pattern: RegExp;
}

/** Which routes there are. Filled while Fastify registers them, read to tell a wrong method (405) from a wrong path (404). */
export class RouteTable {
  private readonly routes: KnownRoute[] = [];

  /** Throws where a route does not say who may call it: the process must not start with a door nobody thought about. */
  add(route: RouteOptions): void {
    const methods = [route.method].flat().map(String);
    const config: { access?: Access } = route.config ?? {};
    if (config.access === undefined) {
      throw new Error(`The route ${methods.join(',')} ${route.url} does not declare who may call it (@RouteAccess).`);
    }
    const segments = route.url
      .split('/')
      .map((segment) => (segment.startsWith(':') ? '[^/]+' : escapeForRegExp(segment)));
    this.routes.push({ methods, pattern: new RegExp(`^${segments.join('/')}$`) });
  }

  /** The methods a path answers to; empty where there is no such path. */
  methodsOf(path: string): string[] {
    return [...new Set(this.routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))];
  }
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
