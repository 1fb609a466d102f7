import { GatewayConfig, type RoutingConfig } from '../../src/config/schema/gateway.config.js';
import type { ConfigSnapshot, ModelRoute } from '../../src/config/snapshot.js';
import type { ChatCompletionRequest } from '../../src/domain/chat.js';
import type { Classification } from '../../src/domain/classification.js';
import type { Price } from '../../src/domain/money.js';
import type { Principal } from '../../src/domain/principal.js';
import { RequestBody } from '../../src/domain/request-body.js';
import type { ScreenedRequest } from '../../src/domain/screened-request.js';
import type { Provider, ProviderConnection, Target, UpstreamTimeouts } from '../../src/domain/target.js';
import type { RequestContext } from '../../src/request-context/request-context.js';
import { makePrincipal, makeRequestContext } from './principals.js';

const PRICE: Price = {
  inputNanoUsd: 1n,
  cachedInputNanoUsd: 1n,
  cacheWriteNanoUsd: 1n,
  cacheWrite1hNanoUsd: 1n,
  outputNanoUsd: 1n,
  reasoningNanoUsd: 1n,
  longContext: [],
  serviceTiers: new Map(),
  asOfMs: null,
};

export function makeProvider(
  overrides: Partial<Omit<Provider, 'timeouts' | 'connection'>> & {
    readonly timeouts?: Partial<UpstreamTimeouts>;
    readonly connection?: Partial<ProviderConnection>;
  } = {},
): Provider {
  return {
    name: 'alpha',
    type: 'openai',
    baseUrl: 'http://127.0.0.1:9/v1',
    credential: 'credential-of-the-gateway',
    credentials: overrides.credentials ?? [overrides.credential ?? 'credential-of-the-gateway'],
    configured: true,
    apiVersion: '',
    headers: {},
    maxConcurrent: 100,
    maxQueued: 0,
    ...overrides,
    timeouts: {
      connectMs: 2_000,
      firstByteMs: 10_000,
      firstContentMs: 10_000,
      idleMs: 10_000,
      totalMs: 60_000,
      ...overrides.timeouts,
    },
    connection: { caCertificates: '', clientCertificate: '', clientKey: '', proxy: '', ...overrides.connection },
  };
}

export function makeTarget(provider: Provider, overrides: Partial<Target> = {}): Target {
  const model = overrides.model ?? 'model-1';
  return {
    id: `${provider.name}/${model}`,
    provider,
    model,
    deployment: null,
    classificationCeiling: 'RESTRICTED',
    weight: 1,
    maxOutputTokens: null,
    ...overrides,
  };
}

export function makeRoute(
  primaries: readonly Target[],
  fallbacks: readonly Target[] = [],
  overrides: Partial<ModelRoute> = {},
): ModelRoute {
  return { alias: 'aegis-test', displayName: 'Test', strategy: 'priority', primaries, fallbacks, ...overrides };
}

/** A snapshot of these routes in which every target has a price. */
export function makeSnapshot(
  routes: readonly ModelRoute[],
  routing: Partial<RoutingConfig> = {},
  overrides: Partial<ConfigSnapshot> = {},
): ConfigSnapshot {
  const gateway = new GatewayConfig();
  Object.assign(gateway.routing, routing);
  const targets = routes.flatMap((route) => [...route.primaries, ...route.fallbacks]);
  return {
    version: 'test',
    loadedAtMs: 0,
    gateway,
    providers: new Map(targets.map(({ provider }) => [provider.name, provider])),
    models: new Map(routes.map((route) => [route.alias, route])),
    pricing: {
      version: 'test',
      prices: new Map(targets.map(({ provider, model }) => [`${provider.name}/${model}`, PRICE])),
    },
    documents: new Map(),
    ...overrides,
  };
}

export function makeRequest(
  chat: Partial<ChatCompletionRequest> = {},
  level: Classification = 'INTERNAL',
): ScreenedRequest {
  const whole: ChatCompletionRequest = { model: 'aegis-test', messages: [{ role: 'user', content: 'Hello' }], ...chat };
  return { chat: whole, body: RequestBody.of(whole), findings: [], level };
}

export interface TestContext extends RequestContext {
  /** What the gateway does when the client's connection closes. */
  leave(): void;
}

export function makeContext(snapshot: ConfigSnapshot, principal: Principal | null = makePrincipal()): TestContext {
  const controller = new AbortController();
  const context = makeRequestContext(snapshot, principal, { signal: controller.signal });
  return Object.assign(context, { leave: () => controller.abort() });
}
