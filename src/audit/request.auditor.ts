import { Inject, Injectable } from '@nestjs/common';
import { AUDIT_TRAIL } from '../domain/audit.js';
import { AegisError, type ErrorCode } from '../domain/errors.js';
import { findRaise } from '../domain/explanation.js';
import type { Finding } from '../domain/finding.js';
import type { RequestContext } from '../request-context/request-context.js';
import type { AuditLog } from './audit-log.js';
import type { AuditedRule, AuditedTarget, RequestDecided } from './audit-record.js';
import { StrangerCounts } from './stranger-counts.js';

const RETRY_AFTER_MS = 5_000;
const MAX_RULES = 32;
/** What a filter did with a text and let it pass; each is a decision of its own. */
const FILTER_DECISIONS = ['flag', 'redact', 'pseudonymize'] as const;
/** A client that left, and an upstream that failed, are nobody's decision. */
const LEFT: string = 'client_closed_request';
/** The only error by which an answer is held back once a request was let through. */
const ANSWER_DENIED: string = 'content_filter';

type Details = Pick<RequestDecided, 'from_level' | 'target' | 'from_target' | 'rules' | 'more_rules' | 'direction'>;

/** What the audit knows of a request already. */
interface Progress {
  /** The target that it was sent to last; null until it was let through. */
  target: AuditedTarget | null;
  /** The context's findings that it has. */
  readonly findings: Set<Finding>;
  isFinished: boolean;
}

/**
 * What is decided about a request becomes events as it is decided: that it is let through, and to which target, before
 * anything is sent there; that it is refused before the client knows.
 */
@Injectable()
export class RequestAuditor {
  private readonly progress = new WeakMap<RequestContext, Progress>();
  private readonly strangers: StrangerCounts;

  constructor(@Inject(AUDIT_TRAIL) private readonly trail: AuditLog) {
    this.strangers = new StrangerCounts((event) => this.write(event));
  }

  /** What a new request is refused with where nothing could be recorded of it; null where it may go on. */
  findObstacle({ snapshot }: RequestContext): AegisError | null {
    if (!this.trail.isEnabled || this.trail.isWritable || snapshot.gateway.audit.onFailure === 'open') return null;
    return unrecordedError();
  }

  /** From here on no attempt is made that the audit does not know of. */
  begin(context: RequestContext): void {
    if (!this.trail.isEnabled || context.principal === null) return;
    const { beforeAttempt } = context;
    context.beforeAttempt = (provider, model) => {
      beforeAttempt?.(provider, model);
      this.recordAttempt(context, { provider, model });
    };
  }

  /**
   * Records how the request was decided, once: later calls do nothing. `error`: what it is answered with; null where
   * the answer is whole. Returns what the client gets in the place of an answer that could not be recorded.
   */
  finish(context: RequestContext, error: AegisError | null): AegisError | null {
    if (!this.trail.isEnabled) return null;
    if (context.principal === null) {
      if (error) this.strangers.add(error.code);
      return null;
    }
    const progress = this.progressOf(context);
    if (progress.isFinished) return null;
    progress.isFinished = true;
    const events = this.describeFindings(context, progress);
    const wasLetThrough = progress.target !== null;
    if (error === null) {
      if (!wasLetThrough) events.push(describe(context, 'allow', 'permitted'));
    } else if (error.code !== LEFT && (!wasLetThrough || error.code === ANSWER_DENIED)) {
      events.push(describeDenial(context, error, wasLetThrough));
    }
    return this.writeAll(events, context);
  }

  /** A caller was refused before anything was known of its request. */
  refuseStranger(code: ErrorCode): void {
    if (this.trail.isEnabled) this.strangers.add(code);
  }

  /** Writes what is gathered before it is written. */
  flush(): void {
    this.strangers.flush();
  }

  private recordAttempt(context: RequestContext, target: AuditedTarget): void {
    const progress = this.progressOf(context);
    const { target: before } = progress;
    if (before && before.provider === target.provider && before.model === target.model) return;
    const events = this.describeFindings(context, progress);
    if (before === null) {
      events.push(describe(context, 'allow', 'permitted', { target }));
    } else {
      const reason = context.attempts.at(-1)?.outcome ?? 'upstream_fault';
      events.push(describe(context, 'fallback', reason, { target, from_target: before }));
    }
    const obstacle = this.writeAll(events, context);
    if (obstacle) throw obstacle;
    progress.target = target;
  }

  /** Findings that the audit does not know yet: of the request as it is sent, of the answer as it ends. */
  private describeFindings(context: RequestContext, progress: Progress): RequestDecided[] {
    const isLetThrough = progress.target !== null;
    const direction = isLetThrough ? 'response' : 'request';
    const raise = isLetThrough ? null : describeRaise(context);
    const events = raise ? [raise] : [];
    if (context.findings.length === 0) return events;
    const fresh = context.findings.filter((finding) => !progress.findings.has(finding));
    for (const finding of fresh) progress.findings.add(finding);
    for (const decision of FILTER_DECISIONS) {
      const found = fresh.filter(({ action }) => action === decision);
      if (found.length === 0) continue;
      events.push(describe(context, decision, 'rule', { direction, ...summarize(found) }));
    }
    return events;
  }

  private progressOf(context: RequestContext): Progress {
    let progress = this.progress.get(context);
    if (!progress) {
      progress = { target: null, findings: new Set(), isFinished: false };
      this.progress.set(context, progress);
    }
    return progress;
  }

  private writeAll(events: readonly RequestDecided[], { snapshot }: RequestContext): AegisError | null {
    let isWhole = true;
    for (const event of events) isWhole = this.write(event) && isWhole;
    return isWhole || snapshot.gateway.audit.onFailure === 'open' ? null : unrecordedError();
  }

  /** False where it could not be written. What is refused because the journal is full must not fill it further. */
  private write(event: RequestDecided): boolean {
    try {
      if (event.decision === 'deny' && !this.trail.isWritable) this.trail.lose();
      else this.trail.record(event);
      return true;
    } catch {
      return event.decision === 'deny';
    }
  }
}

export function unrecordedError(): AegisError {
  return new AegisError(
    'dependency_unavailable',
    'This gateway cannot record decisions at the moment. Try again later.',
    {
      retryAfterMs: RETRY_AFTER_MS,
    },
  );
}

/** Names from the configuration, the key store and closed sets alone: what a client may write freely stays out. */
function describe(
  context: RequestContext,
  decision: RequestDecided['decision'],
  reason: RequestDecided['reason'],
  more: Details = {},
): RequestDecided {
  const { principal, requestedModel, snapshot } = context;
  // Member by member: copying objects into one another costs more than writing the event to the disk.
  return {
    type: 'request.decided',
    decision,
    reason,
    request_id: context.requestId,
    usage_id: context.usageId ?? undefined,
    key_id: principal?.keyId,
    organization: principal?.organization,
    team: principal?.team,
    user: principal?.user ?? undefined,
    project: context.project ?? undefined,
    model: requestedModel !== null && snapshot.models.has(requestedModel) ? requestedModel : undefined,
    level: context.level ?? undefined,
    from_level: more.from_level,
    target: more.target,
    from_target: more.from_target,
    rules: more.rules,
    more_rules: more.more_rules,
    direction: more.direction,
  };
}

function describeDenial(context: RequestContext, error: AegisError, wasLetThrough: boolean): RequestDecided {
  const blocked = context.findings.filter(({ action }) => action === 'block');
  const isFilters = error.code === ANSWER_DENIED && blocked.length > 0;
  return describe(context, 'deny', error.code, {
    direction: wasLetThrough ? 'response' : 'request',
    ...(isFilters && summarize(blocked)),
  });
}

function describeRaise(context: RequestContext): RequestDecided | null {
  const { principal, requestedLevel, findings, level } = context;
  if (!principal || level === null || level === principal.defaultClassification) return null;
  const raise = findRaise({ principal, requestedLevel, findings, level });
  if (!raise) return null;
  const rules = findings.filter(({ action }) => typeof action === 'object' && action.raiseTo === level);
  return describe(context, 'raise', raise.rules.length > 0 ? 'rule' : 'header', {
    from_level: principal.defaultClassification,
    ...(rules.length > 0 && summarize(rules)),
  });
}

function summarize(findings: readonly Finding[]): Details {
  const counts = new Map<string, { filter: string; rule: string; count: number }>();
  for (const { filter, rule } of findings) {
    const name = `${filter}/${rule}`;
    const known = counts.get(name);
    if (known) known.count++;
    else counts.set(name, { filter, rule, count: 1 });
  }
  const rules: AuditedRule[] = [...counts.values()];
  return {
    rules: rules.slice(0, MAX_RULES),
    ...(rules.length > MAX_RULES && { more_rules: rules.length - MAX_RULES }),
  };
}
