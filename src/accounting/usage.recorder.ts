import { randomUUID } from 'node:crypto';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { USAGE_JOURNAL, type UsageEnding, type UsageJournal, type UsageRecord } from '../domain/accounting.js';
import type { Clock } from '../domain/clock.js';
import { AegisError } from '../domain/errors.js';
import { CLOCK, GATEWAY_OBSERVER, type GatewayObserver, silentObserver } from '../domain/observer.js';
import type { Principal } from '../domain/principal.js';
import type { RequestContext } from '../request-context/request-context.js';
import { sumAttempts } from './attempt-sums.js';

/** Longer names come from clients and providers only; the ledger needs no more of them. */
const MAX_NAME_CHARACTERS = 256;
const RETRY_AFTER_MS = 5_000;
const PLAIN_NAME = /^[\x20-\x7e]{0,256}$/;
const CLIENT_LEFT: string = 'client_closed_request';

/** How a request ended for its client. */
export interface RequestEnd {
  readonly status: number;
  /** The error code on the wire; null where the answer is whole. */
  readonly code: string | null;
}

/** One usage record for each request of a known key, made as the request ends, whichever way it does. */
@Injectable()
export class UsageRecorder {
  private readonly logger = new Logger('Accounting');
  private readonly observer: GatewayObserver;
  private isComplaining = false;

  constructor(
    @Inject(USAGE_JOURNAL) private readonly journal: UsageJournal,
    @Inject(CLOCK) private readonly clock: Clock,
    @Optional() @Inject(GATEWAY_OBSERVER) observer: GatewayObserver | null = null,
  ) {
    this.observer = observer ?? silentObserver;
  }

  /** What a new request is refused with where its usage could not be recorded; null where it may go on. */
  findObstacle(context: RequestContext): AegisError | null {
    if (this.journal.isWritable || context.snapshot.gateway.accounting.onFailure === 'open') return null;
    return unrecordedError();
  }

  /** From here on each attempt is written down before it is made, so that even a process that dies leaves its trace. */
  begin(context: RequestContext): void {
    const { principal } = context;
    if (!principal) return;
    context.usageId = randomUUID();
    const { beforeAttempt } = context;
    context.beforeAttempt = (provider, model) => {
      this.beginAttempt(context, principal, provider, model);
      beforeAttempt?.(provider, model);
    };
  }

  /**
   * Puts the request in the journal, once: later calls do nothing. Sets the context's `usage` and `costNanoUsd`. Returns
   * what the client gets in the place of an answer that could not be recorded; null where nothing stands in its way.
   */
  finish(context: RequestContext, end: RequestEnd): AegisError | null {
    const { principal } = context;
    if (context.isAccountedFor || principal === null) return null;
    context.isAccountedFor = true;
    const record = this.buildRecord(context, principal, end);
    context.usage = record.usage;
    context.costNanoUsd = record.costNanoUsd;
    // What is refused because the journal is full must not fill it further.
    if (record.ending === 'refused' && !this.journal.isWritable) {
      this.observer.journalFailed();
      return null;
    }
    try {
      this.journal.append(record);
      this.isComplaining = false;
      return null;
    } catch (error) {
      this.complain(error);
      return context.snapshot.gateway.accounting.onFailure === 'open' ? null : unrecordedError();
    }
  }

  private beginAttempt(context: RequestContext, principal: Principal, provider: string, model: string): void {
    try {
      this.journal.begin({
        id: context.usageId ?? randomUUID(),
        requestId: context.requestId,
        keyId: principal.keyId,
        organization: principal.organization,
        team: principal.team,
        project: context.project,
        requestedModel: cleanName(context.requestedModel),
        level: context.level,
        stream: context.stream,
        startedAtMs: this.startOf(context),
        priceVersion: context.snapshot.pricing.version,
        provider,
        model,
      });
    } catch (error) {
      this.complain(error);
      if (context.snapshot.gateway.accounting.onFailure === 'closed') throw unrecordedError();
    }
  }

  private complain(error: unknown): void {
    if (!this.isComplaining) this.logger.error(`Usage is not recorded: ${String(error)}`);
    this.isComplaining = true;
  }

  /** Field by field: copying objects into one another costs more than writing the record to the disk. */
  private buildRecord(context: RequestContext, principal: Principal, { status, code }: RequestEnd): UsageRecord {
    const { served, attempts, firstContentMs } = context;
    const sums = sumAttempts(attempts);
    return {
      id: context.usageId ?? randomUUID(),
      requestId: context.requestId,
      keyId: principal.keyId,
      organization: principal.organization,
      team: principal.team,
      project: context.project,
      requestedModel: cleanName(context.requestedModel),
      provider: served === null ? null : served.provider,
      model: served === null ? null : served.model,
      level: context.level,
      stream: context.stream,
      status,
      code: cleanName(code),
      ending: endingOf(code, attempts.length),
      finishReason: cleanName(context.finishReason),
      startedAtMs: this.startOf(context),
      durationMs: round(this.clock.monotonicMs() - context.startedAtMs),
      upstreamMs: round(context.upstreamMs),
      firstContentMs: firstContentMs === null ? null : round(firstContentMs),
      usage: sums.usage,
      usageSource: sums.usageSource,
      costNanoUsd: sums.costNanoUsd,
      priceVersion: context.snapshot.pricing.version,
      attempts,
    };
  }

  private startOf({ startedAtMs }: RequestContext): number {
    return Math.round(this.clock.nowMs() - (this.clock.monotonicMs() - startedAtMs));
  }
}

export function unrecordedError(): AegisError {
  return new AegisError('dependency_unavailable', 'This gateway cannot record usage at the moment. Try again later.', {
    retryAfterMs: RETRY_AFTER_MS,
  });
}

function endingOf(code: string | null, attempts: number): UsageEnding {
  if (code === null) return 'complete';
  if (code === CLIENT_LEFT) return 'client_left';
  return attempts === 0 ? 'refused' : 'failed';
}

/** What others wrote, as PostgreSQL can keep it: no NUL, no half of a character. */
function cleanName(name: string | null): string | null {
  if (name === null || PLAIN_NAME.test(name)) return name;
  const short = name.length > MAX_NAME_CHARACTERS ? name.slice(0, MAX_NAME_CHARACTERS) : name;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is the one that must go.
  return short.replace(/\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
