import { Inject, Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';
import { findPrice, priceRequest } from '../config/pricing.js';
import { causeOf } from '../domain/error-cause.js';
import type { AegisError } from '../domain/errors.js';
import type { TokenUsage } from '../domain/usage.js';
import type { RequestContext } from '../request-context/request-context.js';
import { AegisLogger } from './aegis.logger.js';
import { METRIC_SET, type MetricSet } from './metrics.js';
import { buildRequestLine, type RequestFacts, type RequestLine } from './request-line.js';
import { TeamNames } from './team-names.js';
import { Tracing } from './tracing/tracing.service.js';

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

const CLIENT_LEFT = 'client_closed_request';
const CLIENT_LEFT_STATUS = 499;
const NO_MODEL = 'none';
const UNKNOWN_MODEL = 'unknown';
const NO_PROVIDER = 'none';
const NO_ROUTE = 'unknown';
const NANO_USD_PER_USD = 1e9;

/** One record a request, at its end, whichever way it came: a log line, the metrics, and the end of its span. */
@Injectable()
export class RequestRecorder {
  private readonly teams = new TeamNames();
  private shed: readonly Counter.Internal[] | null = null;

  constructor(
    private readonly logger: AegisLogger,
    @Inject(METRIC_SET) private readonly metrics: MetricSet,
    private readonly tracing: Tracing,
  ) {}

  requestStarted(): void {
    this.metrics.inFlight.inc();
  }

  streamOpened(): void {
    this.metrics.openStreams.inc();
  }

  streamClosed(): void {
    this.metrics.openStreams.dec();
  }

  /** A request that was not taken on: nobody knows its route, its caller or its model, and it took no time. */
  recordShed(requestId: string, method: string, error: AegisError): void {
    const { code, status } = error;
    const cause = causeOf(code);
    // Looked up once: there are thousands of them a second where there are any.
    this.shed ??= [
      this.metrics.requests.labels({ model: NO_MODEL, provider: NO_PROVIDER, status, code }),
      this.metrics.errors.labels({ model: NO_MODEL, provider: NO_PROVIDER, cause, code }),
    ];
    for (const counter of this.shed) counter.inc();
    this.logger.pino.info({ requestId, method, route: NO_ROUTE, status, code, cause } satisfies RequestLine, 'request');
  }

  record(context: RequestContext, outcome: RequestOutcome): void {
    this.metrics.inFlight.dec();
    const status = statusOf(context, outcome);
    const facts: RequestFacts = {
      route: outcome.route,
      method: outcome.method,
      status,
      complete: outcome.complete,
      durationMs: outcome.endedAtMs - context.startedAtMs,
      model: modelLabel(context),
      costNanoUsd: costOf(context),
      isUnpriced: isMarkedUnpriced(context),
      overheadMs: overheadOf(context, outcome),
      failure: failureOf(context, status),
    };
    this.count(context, facts);
    this.countMoney(context, facts);
    if (context.stream && context.firstContentMs !== null) this.countStream(context, facts, context.firstContentMs);
    if (context.trace) this.tracing.endRequest(context.trace, context, facts);
    this.log(context, facts);
  }

  private count(context: RequestContext, { model, status, durationMs, overheadMs, failure }: RequestFacts): void {
    const provider = context.served?.provider ?? NO_PROVIDER;
    const stream = String(context.stream);
    this.metrics.requests.inc({ model, provider, status, code: failure?.code ?? 'none' });
    if (failure) this.metrics.errors.inc({ model, provider, cause: failure.cause, code: failure.code });
    this.metrics.requestDuration.observe({ model, stream }, durationMs / 1000);
    if (overheadMs !== null) this.metrics.gatewayOverhead.observe({ model, stream }, overheadMs / 1000);
  }

  private countStream(
    { served }: RequestContext,
    { model, durationMs, failure }: RequestFacts,
    firstContentMs: number,
  ): void {
    const labels = { model, provider: served?.provider ?? NO_PROVIDER };
    this.metrics.timeToFirstChunk.observe(labels, firstContentMs / 1000);
    this.metrics.streamDuration.observe(labels, Math.max(0, durationMs - firstContentMs) / 1000);
    if (failure) this.metrics.truncatedStreams.inc({ ...labels, cause: failure.cause });
  }

  private countMoney(
    { usage, served, principal }: RequestContext,
    { model, costNanoUsd, isUnpriced }: RequestFacts,
  ): void {
    const labels = { model, provider: served?.provider ?? NO_PROVIDER };
    if (usage) this.countTokens(labels, usage);
    if (isUnpriced) this.metrics.unpricedRequests.inc(labels);
    if (costNanoUsd === null) return;
    const costUsd = Number(costNanoUsd) / NANO_USD_PER_USD;
    this.metrics.cost.inc(labels, costUsd);
    if (principal) {
      this.metrics.teamCost.inc({ ...this.teams.labelsOf(principal.organization, principal.team), model }, costUsd);
    }
  }

  private countTokens(labels: { readonly model: string; readonly provider: string }, usage: TokenUsage): void {
    const { tokens } = this.metrics;
    tokens.inc({ ...labels, direction: 'input' }, usage.promptTokens);
    tokens.inc({ ...labels, direction: 'output' }, usage.completionTokens);
    if (usage.cachedPromptTokens > 0) tokens.inc({ ...labels, direction: 'cached_input' }, usage.cachedPromptTokens);
    if (usage.reasoningTokens > 0) tokens.inc({ ...labels, direction: 'reasoning' }, usage.reasoningTokens);
  }

  private log(context: RequestContext, facts: RequestFacts): void {
    const line = buildRequestLine(context, facts);
    // Probes and scrapes come every few seconds and say nothing when they succeed.
    if (context.principal === null && facts.status < 400) this.logger.pino.debug(line, 'request');
    else this.logger.pino.info(line, 'request');
  }
}

/** A stream's status line says 200 whatever happens later; the record says what the client really got. */
function statusOf(context: RequestContext, { status, complete }: RequestOutcome): number {
  if (complete) return status;
  return context.failedWith === null || context.failedWith === CLIENT_LEFT ? CLIENT_LEFT_STATUS : status;
}

/** An upstream's own code restated to the client is free text, and may be a word of ours; here it is one word. */
function failureOf({ errorCode, failedWith }: RequestContext, status: number): RequestFacts['failure'] {
  const code = failedWith ?? (status === CLIENT_LEFT_STATUS ? CLIENT_LEFT : null);
  if (code === null) return null;
  if (failedWith !== null && errorCode !== failedWith) return { code: 'upstream_rejected', cause: 'caller' };
  return { code, cause: causeOf(code) };
}

/** Null where no upstream answered: then all of the duration is AEGIS's own, and says nothing about its overhead. */
function overheadOf(context: RequestContext, { endedAtMs }: RequestOutcome): number | null {
  if (context.served === null) return null;
  if (context.stream) return context.firstContentOverheadMs;
  return Math.max(0, endedAtMs - context.startedAtMs - context.upstreamMs);
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
