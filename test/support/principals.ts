import type { ConfigSnapshot } from '../../src/config/snapshot.js';
import type { Principal } from '../../src/domain/principal.js';
import { beginContext, type RequestBeginning, type RequestContext } from '../../src/request-context/request-context.js';

/** Somebody who may do everything and starts at INTERNAL. */
export function makePrincipal(changes: Partial<Principal> = {}): Principal {
  return {
    keyId: '00000000-0000-4000-8000-000000000000',
    keyPrefix: 'aegis-test-abcd',
    keyName: 'test',
    organization: 'acme',
    team: 'core',
    user: null,
    defaultClassification: 'INTERNAL',
    maxClassification: 'RESTRICTED',
    allowedModels: null,
    rpmLimit: null,
    tpmLimit: null,
    maxParallelRequests: null,
    budgetNanoUsd: null,
    budgetWindow: null,
    teamBudgetNanoUsd: null,
    teamBudgetWindow: null,
    organizationBudgetNanoUsd: null,
    organizationBudgetWindow: null,
    expiresAtMs: null,
    mayExplain: false,
    ...changes,
  };
}

/** A request that has just begun, as the guard leaves it. */
export function makeRequestContext(
  snapshot: ConfigSnapshot,
  principal: Principal | null = makePrincipal(),
  beginning: Partial<RequestBeginning> = {},
): RequestContext {
  const context = beginContext({
    requestId: 'request-1',
    snapshot,
    startedAtMs: performance.now(),
    signal: new AbortController().signal,
    traceContext: null,
    trace: null,
    project: null,
    requestedLevel: null,
    ...beginning,
  });
  context.principal = principal;
  return context;
}
