import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { Inject, Injectable, Optional } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { defer, from, type Observable } from 'rxjs';
import type { Clock } from '../../domain/clock.js';
import { systemClock } from '../../domain/clock.js';
import { AegisError, toAegisError } from '../../domain/errors.js';
import { isObject } from '../../domain/json.js';
import type { GatewayObserver } from '../../domain/observer.js';
import { CLOCK, GATEWAY_OBSERVER, silentObserver } from '../../domain/observer.js';
import { withAnswer } from '../../domain/one-answer.js';
import type { BudgetWindow, Principal } from '../../domain/principal.js';
import { onceAnswered, type RequestContext } from '../../request-context/request-context.js';
import { periodOf } from './budget-period.js';
import { describeRefusal } from './limit-errors.js';
import type { BudgetDemand, BudgetScope, LimitDemand, LimitFigures } from './limit-store.js';
import { type Grant, LimiterService, makeReservationId } from './limiter.service.js';
import { estimateRequest, tokensWithin } from './request-estimate.js';

const NO_BODY: Readonly<Record<string, unknown>> = {};

/** Takes what a request needs of its key's limits before anything is done with it, and gives the rest back at its end. */
@Injectable()
export class LimitsInterceptor implements NestInterceptor {
  private readonly clock: Clock;
  private readonly observer: GatewayObserver;

  constructor(
    private readonly limiter: LimiterService,
    @Optional() @Inject(CLOCK) clock?: Clock,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
  ) {
    this.clock = clock ?? systemClock;
    this.observer = observer ?? silentObserver;
  }

  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { aegis, body, headers, method } = execution.switchToHttp().getRequest<FastifyRequest>();
    const { principal } = aegis;
    // Looking at models costs nothing and is not counted.
    if (principal === null || method !== 'POST' || !isLimited(principal)) return next.handle();
    const demand = this.buildDemand(principal, aegis, body, headers['x-aegis-explain'] !== undefined);
    return withAnswer(from(this.admit(demand, aegis)), {
      change: (grant) => {
        let failure: AegisError | null = null;
        return withAnswer(
          defer(() => next.handle()),
          {
            change: (answer: unknown) => answer,
            failed: (thrown) => {
              failure = toAegisError(thrown);
            },
            ended: () => finishOnceAnswered(grant, aegis, failure),
          },
        );
      },
    });
  }

  private async admit(demand: LimitDemand, context: RequestContext): Promise<Grant> {
    const { onStoreFailure } = context.snapshot.gateway.limits;
    const outcome = await this.limiter.reserve(demand, onStoreFailure, context.signal);
    const figures = outcome.kind === 'admitted' ? outcome.grant.figures : 'figures' in outcome ? outcome.figures : null;
    if (figures !== null) noteFigures(context, demand, figures);
    if (outcome.kind === 'admitted') return outcome.grant;
    if (context.signal.aborted) throw reasonOf(context.signal);
    const { limit, error } = describeRefusal(outcome, demand, this.clock.nowMs());
    this.observer.requestLimited(limit);
    throw error;
  }

  private buildDemand(
    principal: Principal,
    { snapshot, startedAtMs }: RequestContext,
    body: unknown,
    isExplained: boolean,
  ): LimitDemand {
    const chat = isObject(body) && isObject(body.value) ? body.value : NO_BODY;
    const estimate = isExplained ? null : estimateRequest(chat, snapshot);
    const { keyId, organization, team, rpmLimit, tpmLimit, maxParallelRequests } = principal;
    // By the same moment as in the ledger: a request that waited over midnight belongs to one day in both.
    const beganAtMs = Math.round(this.clock.nowMs() - (this.clock.monotonicMs() - startedAtMs));
    const budgets: BudgetDemand[] = [];
    const addBudget = (
      scope: BudgetScope,
      subject: string,
      limitNanoUsd: bigint | null,
      window: BudgetWindow | null,
    ) => {
      if (limitNanoUsd === null) return;
      const estimateNanoUsd = estimate?.costNanoUsd ?? 0n;
      budgets.push({ scope, subject, limitNanoUsd, estimateNanoUsd, ...periodOf(window ?? 'month', beganAtMs) });
    };
    // What is asked for without being sent costs nothing, and needs no budget.
    if (!isExplained) {
      addBudget('key', keyId, principal.budgetNanoUsd, principal.budgetWindow);
      addBudget('team', team, principal.teamBudgetNanoUsd, principal.teamBudgetWindow);
      addBudget('organization', organization, principal.organizationBudgetNanoUsd, principal.organizationBudgetWindow);
    }
    return {
      id: makeReservationId(),
      keyId,
      organization,
      team,
      requestLimit: rpmLimit,
      tokenLimit: tpmLimit,
      parallelLimit: maxParallelRequests,
      tokens: estimate === null ? 0 : tokensWithin(tpmLimit, estimate),
      budgets,
    };
  }
}

function isLimited(principal: Principal): boolean {
  return (
    principal.rpmLimit !== null ||
    principal.tpmLimit !== null ||
    principal.maxParallelRequests !== null ||
    principal.budgetNanoUsd !== null ||
    principal.teamBudgetNanoUsd !== null ||
    principal.organizationBudgetNanoUsd !== null
  );
}

/** Apart, so that an open stream keeps nothing of what went before it. */
function finishOnceAnswered(grant: Grant, context: RequestContext, failure: AegisError | null): void {
  onceAnswered(context, () => finish(grant, context, failure));
}

/**
 * Whichever way the request ended. What the gateway itself could not do for it, nobody having been called, leaves no
 * trace in its limits.
 */
function finish(grant: Grant, context: RequestContext, failure: AegisError | null): void {
  const { attempts, usage, costNanoUsd } = context;
  if (attempts.length === 0 && failure !== null && failure.status >= 500) grant.refund();
  else grant.settle({ tokens: usage?.totalTokens ?? 0, costNanoUsd: costNanoUsd ?? 0n });
}

function noteFigures(context: RequestContext, demand: LimitDemand, { requests, tokens }: LimitFigures): void {
  const remaining = (limit: number, used: number): number => Math.max(0, limit - used);
  context.rateLimits = {
    requests:
      demand.requestLimit === null
        ? null
        : {
            limit: demand.requestLimit,
            remaining: remaining(demand.requestLimit, requests.used),
            resetMs: requests.resetMs,
          },
    tokens:
      demand.tokenLimit === null
        ? null
        : {
            limit: demand.tokenLimit,
            remaining: remaining(demand.tokenLimit, tokens.used),
            resetMs: tokens.resetMs,
          },
  };
}

function reasonOf({ reason }: AbortSignal): AegisError {
  if (reason instanceof AegisError) return reason;
  return new AegisError('client_closed_request', 'The client left before its request was sent.');
}
