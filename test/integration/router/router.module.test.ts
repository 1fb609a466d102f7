import { Test, type TestingModule } from '@nestjs/testing';
import { firstValueFrom } from 'rxjs';
import type { ChatAnswer } from '../../../src/domain/chat-answer.js';
import type { Principal } from '../../../src/domain/principal.js';
import type { LocalAdapter, UpstreamRequest } from '../../../src/domain/provider-adapter.js';
import { PROVIDER_TYPES } from '../../../src/domain/target.js';
import { SimulatorAdapter } from '../../../src/router/adapters/simulator.adapter.js';
import { ProviderRegistry } from '../../../src/router/provider.registry.js';
import { RouterModule } from '../../../src/router/router.module.js';
import { RouterService } from '../../../src/router/router.service.js';
import { makePrincipal } from '../../support/principals.js';
import {
  makeContext,
  makeProvider,
  makeRequest,
  makeRoute,
  makeSnapshot,
  makeTarget,
} from '../../support/routing-fixtures.js';
import { completionOf, contentOf, errorOf, eventually, RouterHarness, readAll, streamOf } from './router-harness.js';

const simulator = makeTarget(makeProvider({ name: 'simulator', type: 'simulator', baseUrl: '' }), {
  classificationCeiling: 'CONFIDENTIAL',
});
const snapshot = makeSnapshot([makeRoute([simulator])]);

describe('the router, wired by Nest', () => {
  let module: TestingModule;
  let router: RouterService;

  beforeAll(async () => {
    module = await Test.createTestingModule({ imports: [RouterModule] }).compile();
    router = module.get(RouterService);
  });
  afterAll(() => module.close());

  function call(
    request = makeRequest(),
    principal: Principal | null = makePrincipal(),
  ): { answer: Promise<ChatAnswer> } {
    return { answer: firstValueFrom(router.route(request, makeContext(snapshot, principal))) };
  }

  it('has an adapter for every provider type', () => {
    const registry = module.get(ProviderRegistry);
    expect(PROVIDER_TYPES.map((type) => registry.get(type).type)).toEqual(PROVIDER_TYPES);
  });

  it('answers from the simulator', async () => {
    const { answer } = call();
    const settled = await answer;
    expect(settled).toMatchObject({ kind: 'completion', served: { provider: 'simulator', attempts: 1 } });
  });

  it('does not know a model that is not configured, and says so in a short line', async () => {
    const error = await errorOf(call(makeRequest({ model: `no\r\nsuch${'x'.repeat(100_000)}` })));
    expect(error).toMatchObject({ code: 'model_not_found', status: 404, param: 'model' });
    expect(error.message.length).toBeLessThan(300);
    expect(error.message).not.toMatch(/[\r\n]/);
  });

  it.each(['__proto__', 'constructor', 'toString'])('does not take "%s" for a model', async (model) => {
    expect((await errorOf(call(makeRequest({ model })))).code).toBe('model_not_found');
  });

  it('lets a key use its own models only, and tells it of no others', async () => {
    const none = makePrincipal({ allowedModels: [] });
    expect(await errorOf(call(makeRequest(), none))).toMatchObject({ code: 'model_not_allowed', status: 403 });
    expect(await errorOf(call(makeRequest({ model: 'unknown' }), none))).toMatchObject({ code: 'model_not_found' });
    const allowed = makePrincipal({ allowedModels: ['aegis-test'] });
    expect((await call(makeRequest(), allowed).answer).kind).toBe('completion');
  });

  it('sends no data above the ceiling of its targets', async () => {
    const error = await errorOf(call(makeRequest({}, 'RESTRICTED')));
    expect(error).toMatchObject({ code: 'classification_denied', status: 403 });
  });

  it('serves nobody it was not told the name of', async () => {
    expect(await errorOf(call(makeRequest(), null))).toMatchObject({ code: 'internal_error', status: 500 });
  });

  it('explains a decision without calling anybody', () => {
    const decision = router.decide(snapshot, 'aegis-test', 'RESTRICTED', null);
    expect(decision.eligible).toEqual([]);
    expect(decision.verdicts).toEqual([{ target: simulator, rejection: 'ceiling' }]);
  });
});

describe('a provider inside this process', () => {
  /** Speaks like the simulator and does what a test tells it. */
  class ScriptedLocalAdapter extends SimulatorAdapter implements LocalAdapter {
    produced = 0;
    returned = false;
    mode: 'endless' | 'silent' | 'broken' = 'endless';

    override async *answer(_request: UpstreamRequest): AsyncIterable<Buffer> {
      try {
        if (this.mode === 'silent') await new Promise(() => undefined);
        for (;;) {
          this.produced++;
          yield Buffer.from(`data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n`);
          if (this.mode === 'broken' && this.produced === 3) throw new Error('the simulator broke');
        }
      } finally {
        this.returned = true;
      }
    }
  }

  function setUp(mode: ScriptedLocalAdapter['mode'], timeouts = {}) {
    const adapter = new ScriptedLocalAdapter();
    adapter.mode = mode;
    const harness = new RouterHarness([adapter]);
    const target = makeTarget(makeProvider({ name: 'simulator', type: 'simulator', timeouts }));
    return { adapter, call: harness.call([target], { stream: true, routing: { maxAttempts: 1 } }) };
  }

  it('is held back while its reader is slow, and goes on after', async () => {
    const { adapter, call } = setUp('endless');
    const stream = await streamOf(call);
    let texts = 0;
    stream.chunks.subscribe({
      next: (read) => {
        texts += read.length;
        if (texts === 10) stream.flow.pause();
      },
      error: () => undefined,
    });
    await eventually(() => texts === 10);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(texts).toBe(10);
    stream.flow.resume();
    await eventually(() => texts > 10);
    call.context.leave();
    await eventually(() => adapter.returned);
  });

  it('is ended by the same time limits', async () => {
    const { call } = setUp('silent', { firstByteMs: 50 });
    expect(await errorOf(call)).toMatchObject({ code: 'upstream_timeout' });
  });

  it('never looks whole where it broke', async () => {
    const { call } = setUp('broken');
    const { texts, error } = await readAll(await streamOf(call));
    expect(contentOf(texts)).toBe('xxx');
    expect(error).toMatchObject({ code: 'upstream_error' });
  });

  it('answers in JSON as over a network', async () => {
    const harness = new RouterHarness([new SimulatorAdapter()]);
    const target = makeTarget(makeProvider({ name: 'simulator', type: 'simulator' }));
    const { completion } = await completionOf(harness.call([target]));
    expect(completion.model).toBe('aegis-test');
  });
});
