import { Inject, Injectable } from '@nestjs/common';
import type { Counter, Gauge, Histogram } from 'prom-client';
import { findPrice, priceRequest } from '../config/pricing.js';
import { ERRORS } from '../domain/errors.js';
import type { TokenUsage } from '../domain/usage.js';
import type { RequestContext } from '../request-context/request-context.js';
import { AegisLogger } from './aegis.logger.js';
import { metricToken } from './metrics.js';

/** How a request ended, as its connection saw it. */
export interface RequestOutcome {
  /** The route's pattern; `unknown` where there is none. */
  readonly route: string;
  readonly method: string;
  /** 499 where the client left before an answer began. */
  readonly status: number;
  /** False where the connection closed before the last byte was written. */
  readonly complete: boolean;
  /** Monotonic milliseconds. */
  readonly endedAtMs: number;
}

const NO_MODEL = 'none';
const UNKNOWN_MODEL = 'unknown';
const NANO_USD_PER_USD = 1e9;

/** One record a request, at its end, whichever way it came: a log line and the metrics. */
@Injectable()
export class RequestRecorder {
  constructor(
    private readonly logger: AegisLogger,
    @Inject(metricToken('requests')) private readonly requests: Counter,
    @Inject(metricToken('requestDuration')) private readonly requestDuration: Histogram,
    @Inject(metricToken('gatewayOverhead')) private readonly gatewayOverhead: Histogram,
    @Inject(metricToken('timeToFirstContent')) private readonly timeToFirstContent: Histogram,
    @Inject(metricToken('tokens')) private readonly tokens: Counter,
    @Inject(metricToken('cost')) private readonly cost: Counter,
    @Inject(metricToken('unpricedRequests')) private readonly unpricedRequests: Counter,
    @Inject(metricToken('inFlight')) private readonly inFlight: Gauge,
    @Inject(metricToken('openStreams')) private readonly openStreams: Gauge,
  ) {}

  requestStarted(): void {
    this.inFlight.inc();
  }

  streamOpened(): void {
    this.openStreams.inc();
  }

  streamClosed(): void {
    this.openStreams.dec();
  }

  record(context: RequestContext, outcome: RequestOutcome): void {
    this.inFlight.dec();
    const model = modelLabel(context);
    const provider = context.served?.provider ?? 'none';
    const status = statusOf(context, outcome);
    const durationMs = outcome.endedAtMs - context.startedAtMs;
    const costNanoUsd = costOf(context);

    const code = context.errorCode === null ? 'none' : closedCode(context.errorCode, status);
    this.requests.inc({ model, provider, status, code });
    this.requestDuration.observe({ model, stream: String(context.stream) }, durationMs / 1000);
    if (context.served !== null && !context.stream) {
      this.gatewayOverhead.observe({ model }, Math.max(0, durationMs - context.upstreamMs) / 1000);
    }
    if (context.stream && context.firstContentMs !== null) {
      this.timeToFirstContent.observe({ model, provider }, context.firstContentMs / 1000);
    }
    if (context.usage) this.countTokens(model, provider, context.usage);
    if (costNanoUsd !== null) this.cost.inc({ model, provider }, Number(costNanoUsd) / NANO_USD_PER_USD);
    const unpriced = isMarkedUnpriced(context);
    if (unpriced) this.unpricedRequests.inc({ model, provider });

    this.log(context, outcome, { model, status, durationMs, costNanoUsd, unpriced });
  }

  private countTokens(model: string, provider: string, usage: TokenUsage): void {
    this.tokens.inc({ model, provider, direction: 'input' }, usage.promptTokens);
    this.tokens.inc({ model, provider, direction: 'output' }, usage.completionTokens);
    if (usage.cachedPromptTokens > 0) {
      this.tokens.inc({ model, provider, direction: 'cached_input' }, usage.cachedPromptTokens);
    }
    if (usage.reasoningTokens > 0) this.tokens.inc({ model, provider, direction: 'reasoning' }, usage.reasoningTokens);
  }

  private log(
    context: RequestContext,
    outcome: RequestOutcome,
    facts: { model: string; status: number; durationMs: number; costNanoUsd: bigint | null; unpriced: boolean },
  ): void {
    const { principal, usage, served } = context;
    const fields = {
      requestId: context.requestId,
      method: outcome.method,
      route: outcome.route,
      status: facts.status,
      complete: outcome.complete,
      durationMs: round(facts.durationMs),
      ...(principal && {
        keyId: principal.keyId,
        keyPrefix: principal.keyPrefix,
        organization: principal.organization,
        team: principal.team,
      }),
      ...(context.requestedModel !== null && { model: facts.model, stream: context.stream }),
      ...(context.level && { classification: context.level }),
      ...(context.project && { project: context.project }),
      ...(context.traceparent && { traceparent: context.traceparent }),
      ...(served && { provider: served.provider, servedModel: served.model, attempts: served.attempts }),
      ...(served && { upstreamMs: round(context.upstreamMs) }),
      ...(context.firstContentMs !== null && { firstContentMs: round(context.firstContentMs) }),
      ...(usage && { promptTokens: usage.promptTokens, completionTokens: usage.completionTokens }),
      ...(facts.costNanoUsd !== null && {
        costNanoUsd: facts.costNanoUsd.toString(),
        priceVersion: context.snapshot.pricing.version,
      }),
      ...(facts.unpriced && { unpriced: true }),
      ...(context.findings.length > 0 && { findings: context.findings.map(({ rule, path }) => `${rule} ${path}`) }),
      ...(context.errorCode && { code: context.errorCode }),
    };
    // Probes and scrapes come every few seconds and say nothing when they succeed.
    if (principal === null && facts.status < 400) this.logger.pino.debug(fields, 'request');
    else this.logger.pino.info(fields, 'request');
  }
}

/** A stream's status line says 200 whatever happens later; the record says what the client really got. */
function statusOf(context: RequestContext, { status, complete }: RequestOutcome): number {
  if (complete) return status;
  return context.errorCode === null || context.errorCode === 'client_closed_request' ? 499 : status;
}

function modelLabel({ requestedModel, snapshot }: RequestContext): string {
  if (requestedModel === null) return NO_MODEL;
  return snapshot.models.has(requestedModel) ? requestedModel : UNKNOWN_MODEL;
}

function costOf({ costNanoUsd, usage, served, snapshot }: RequestContext): bigint | null {
  // Where attempts are accounted for one by one, their sum stands here.
  if (costNanoUsd !== null) return costNanoUsd;
  return usage && served ? priceRequest(snapshot, served.provider, served.model, usage) : null;
}

/** Served by a target without a price, where such calls are to be marked. */
function isMarkedUnpriced({ served, snapshot }: RequestContext): boolean {
  if (served === null || snapshot.gateway.cost.onMissingPricing !== 'flag') return false;
  return findPrice(snapshot.pricing, served.provider, served.model) === undefined;
}

/** An upstream's own code restated to the client is free text; as a label it is one word. */
function closedCode(code: string, status: number): string {
  return code in ERRORS ? code : status < 500 ? 'upstream_rejected' : 'internal_error';
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
