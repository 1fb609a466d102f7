import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { Controller, Get, Module, UseInterceptors } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiKeyGuard } from '../../../src/auth/api-key.guard.js';
import { generateApiKey, hashApiKey, INVALID_KEY_MESSAGE } from '../../../src/auth/api-key.js';
import { AUTH_SETTINGS } from '../../../src/auth/auth-settings.js';
import { KeyCacheInterceptor } from '../../../src/auth/key-cache.interceptor.js';
import { KeyFinder } from '../../../src/auth/key-finder.js';
import { KeyThrottle } from '../../../src/auth/key-throttle.js';
import { LastUsedRecorder } from '../../../src/auth/last-used.recorder.js';
import { TieredKeyStore } from '../../../src/auth/tiered-key.store.js';
import { toAegisError } from '../../../src/domain/errors.js';
import type { Principal } from '../../../src/domain/principal.js';
import { RouteAccess } from '../../../src/request-context/access.decorator.js';
import type { RequestContext } from '../../../src/request-context/request-context.js';
import type { TestDatabase } from '../../support/postgres.js';
import { createDatabase } from '../../support/postgres.js';
import type { Replica } from './replica.js';
import { buildOrder, PEPPER, startReplica, waitUntil } from './replica.js';

@Controller()
@UseInterceptors(KeyCacheInterceptor)
class RoutesController {
  static lastContext: RequestContext | undefined;

  @Get('closed')
  closed(): string {
    return 'nobody sees this';
  }

  @RouteAccess('public')
  @Get('public')
  public(): string {
    return 'anyone sees this';
  }

  @RouteAccess('key')
  @Get('key')
  key(): string {
    return 'holders of a key see this';
  }
}

class EnvelopeFilter implements ExceptionFilter {
  catch(thrown: unknown, host: ArgumentsHost): void {
    const error = toAegisError(thrown);
    void host.switchToHttp().getResponse<FastifyReply>().status(error.status).send(error.toEnvelope('request'));
  }
}

describe('a guarded application', () => {
  let database: TestDatabase;
  let replica: Replica;
  let lastUsed: LastUsedRecorder;
  let app: NestFastifyApplication;
  beforeAll(async () => {
    database = await createDatabase();
    replica = await startReplica({ databaseUrl: database.url });
    lastUsed = new LastUsedRecorder(replica.database, replica.keys);

    @Module({
      controllers: [RoutesController],
      providers: [
        { provide: AUTH_SETTINGS, useValue: replica.settings },
        { provide: KeyFinder, useValue: replica.finder },
        KeyThrottle,
        { provide: TieredKeyStore, useValue: replica.store },
        { provide: LastUsedRecorder, useValue: lastUsed },
        KeyCacheInterceptor,
        { provide: APP_GUARD, useClass: ApiKeyGuard },
        { provide: APP_FILTER, useClass: EnvelopeFilter },
      ],
    })
    class TestModule {}

    app = await NestFactory.create<NestFastifyApplication>(TestModule, new FastifyAdapter(), { logger: false });
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onRequest', (request: FastifyRequest, _reply: FastifyReply, done: () => void) => {
        request.aegis = { principal: null, keyTier: null, keyHash: null } as RequestContext;
        RoutesController.lastContext = request.aegis;
        done();
      });
    await app.init();
  });
  afterAll(async () => {
    await app.close();
    await replica.close();
    await database.drop();
  });

  const mint = async (changes: Partial<Principal> = {}): Promise<{ key: string; keyHash: string; id: string }> => {
    const { key, prefix } = generateApiKey('test');
    const keyHash = hashApiKey(key, PEPPER);
    const record = await replica.keys.create(buildOrder({ ...changes, keyHash, keyPrefix: prefix }));
    return { key, keyHash, id: record.principal.keyId };
  };
  const ask = (url: string, headers: Record<string, string> = {}) => app.inject({ url, headers });

  it('answers a holder of a key, and knows who it is', async () => {
    const { key, keyHash, id } = await mint({ keyName: 'mine' });
    const answer = await ask('/key', { authorization: `Bearer ${key}` });
    expect(answer.statusCode).toBe(200);
    expect(RoutesController.lastContext).toMatchObject({
      keyHash,
      keyTier: 'database',
      principal: { keyId: id, keyName: 'mine' },
    });
    await ask('/key', { 'x-api-key': key });
    expect(RoutesController.lastContext?.keyTier).toBe('memory');
  });

  it('says the same to a missing, malformed, unknown, ambiguous, revoked and expired key', async () => {
    const revoked = await mint();
    await replica.keys.revoke(revoked.id, null);
    const expired = await mint({ expiresAtMs: Date.now() - 1 });
    const valid = await mint();
    const attempts = [
      {},
      { authorization: 'Bearer aegis-dev-nonsense' },
      { authorization: `Bearer ${generateApiKey('test').key}` },
      { authorization: `Bearer ${valid.key}`, 'x-api-key': revoked.key },
      { authorization: `Bearer ${revoked.key}` },
      { 'api-key': expired.key },
    ];
    const answers = await Promise.all(attempts.map((headers) => ask('/key', headers)));
    expect(new Set(answers.map(({ statusCode, body }) => `${statusCode} ${body}`)).size).toBe(1);
    expect(answers[0]?.statusCode).toBe(401);
    expect(answers[0]?.json()).toEqual({
      error: {
        message: INVALID_KEY_MESSAGE,
        type: 'authentication_error',
        param: null,
        code: 'invalid_api_key',
        request_id: 'request',
      },
    });
  });

  it('refuses a key from the moment it expires, wherever it lies', async () => {
    const { key } = await mint({ expiresAtMs: Date.now() + 500 });
    expect((await ask('/key', { authorization: `Bearer ${key}` })).statusCode).toBe(200);
    await waitUntil(async () => (await ask('/key', { authorization: `Bearer ${key}` })).statusCode === 401);
  });

  it('lets anyone see a public route, and nobody one that declares nothing', async () => {
    expect((await ask('/public')).statusCode).toBe(200);
    expect((await ask('/public', { authorization: 'Bearer x' })).statusCode).toBe(200);
    const { key } = await mint();
    expect((await ask('/closed', { authorization: `Bearer ${key}` })).statusCode).toBe(500);
  });

  it('writes down when keys were last used, together and never backwards', async () => {
    const [one, two] = [await mint(), await mint()];
    const before = Date.now();
    await ask('/key', { authorization: `Bearer ${one.key}` });
    await ask('/key', { authorization: `Bearer ${two.key}` });
    await lastUsed.flush();
    for (const { id } of [one, two]) {
      const [record] = await replica.keys.findByReference(id);
      expect(record?.lastUsedAt?.getTime()).toBeGreaterThanOrEqual(before);
    }
    await replica.keys.recordUses(new Map([[one.id, before - 60_000]]));
    const [record] = await replica.keys.findByReference(one.id);
    expect(record?.lastUsedAt?.getTime()).toBeGreaterThanOrEqual(before);
  });
});
