import type { RouteOptions } from 'fastify';
import { RouteTable } from '../../../src/gateway/route-table.js';

const route = (method: string, url: string, config: object = { access: 'key' }): RouteOptions =>
  ({ method, url, config, handler: () => undefined }) as RouteOptions;

describe('RouteTable', () => {
  const table = new RouteTable();
  table.add(route('POST', '/v1/chat/completions'));
  table.add(route('GET', '/v1/models/:id'));
  table.add(route('HEAD', '/v1/models/:id'));

  it('knows the methods of a path, parameters included', () => {
    expect(table.methodsOf('/v1/models/aegis-fast')).toEqual(['GET', 'HEAD']);
    expect(table.methodsOf('/v1/chat/completions')).toEqual(['POST']);
  });

  it('knows no methods of a path that is none', () => {
    expect(table.methodsOf('/v1/models/a/b')).toEqual([]);
    expect(table.methodsOf('/v1/chat/completionsX')).toEqual([]);
  });

  it('refuses a route that does not say who may call it', () => {
    expect(() => table.add(route('POST', '/v1/embeddings', {}))).toThrow('/v1/embeddings');
  });
});
