import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { admits, type Classification, highest } from '../domain/classification.js';
import type { Detection } from '../domain/detector.js';
import { AegisError } from '../domain/errors.js';
import type { FilterAction, Finding } from '../domain/finding.js';
import { scanJson } from '../domain/json-scan.js';
import { GATEWAY_OBSERVER, type GatewayObserver, silentObserver } from '../domain/observer.js';
import { RequestBody } from '../domain/request-body.js';
import type { ScreenedRequest, WellFormedRequest } from '../domain/screened-request.js';
import type { RequestContext } from '../request-context/request-context.js';
import { ActionPolicy } from './action-policy.js';
import { RulesDetector } from './detectors/rules.detector.js';
import type { TextDetector } from './detectors/text-detector.js';
import { RuleScanner } from './engine/rule-scanner.js';
import { ScanBudget, ScanBudgetExceededError } from './engine/scan-budget.js';
import { inspectTexts } from './inspection.js';
import { applyRedactions } from './redaction.js';
import { runInSlices } from './slices.js';

const SECRETS = 'secrets';
/** Rules of the filter itself, in findings and metrics beside those of `secret-rules.yaml`. */
const BUDGET_RULE = 'scan-budget-exceeded';
const FAILURE_RULE = 'filter-failed';
const MAX_NAMED_FINDINGS = 10;
/** Taking one credential out can lay another bare; a text that never comes clean is refused. */
const MAX_REDACTION_ROUNDS = 3;

/**
 * Runs the filters over a request: what they find decides whether it goes on, with which texts, and at which level.
 * Fails closed: a filter that cannot finish refuses the request.
 */
@Injectable()
export class FilterService {
  private readonly logger = new Logger('Filter');
  private readonly observer: GatewayObserver;
  private readonly secrets: TextDetector;

  constructor(scanner: RuleScanner, @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver) {
    this.observer = observer ?? silentObserver;
    this.secrets = new RulesDetector(scanner);
  }

  /**
   * The request as it may go on; a promise only where it is too long for one slice of work. Sets the context's findings
   * and level, also where it refuses. With the action `redact` the texts of `request.chat` are changed in place.
   * Throws `content_filter`, `classification_denied`, and `internal_error` where a filter failed.
   */
  screen(request: WellFormedRequest, context: RequestContext): ScreenedRequest | Promise<ScreenedRequest> {
    try {
      const screened = runInSlices(this.screenInSlices(request, context), context.signal);
      return screened instanceof Promise ? screened.catch((fault: unknown) => this.refuse(fault, context)) : screened;
    } catch (fault) {
      return this.refuse(fault, context);
    }
  }

  private *screenInSlices(request: WellFormedRequest, context: RequestContext): Generator<void, ScreenedRequest> {
    const { principal } = context;
    if (!principal) throw new Error('a request reached the filter without a principal');
    const { chat } = request;
    let { body } = request;
    let findings: readonly Finding[] = [];

    const { filters } = context.snapshot.gateway;
    if (filters.secrets.enabled) {
      const detectors = [this.secrets];
      const policy = new ActionPolicy(filters);
      const asked = levelOf(principal.defaultClassification, context.requestedLevel, []);
      const actionOf = (detection: Detection) => policy.resolve(detection, 'request', asked);
      const budget = ScanBudget.forCharacters(body.bytes.length);
      let inspection = yield* inspectTexts(chat, detectors, actionOf, budget);
      findings = inspection.findings;
      this.record(findings, context, principal.defaultClassification);
      refuseBlocked(findings);
      const changed = new Set<string>();
      for (let round = 0; inspection.redactions.length > 0; round++) {
        for (const { text } of inspection.redactions) changed.add(text.member);
        const stuckAt = round < MAX_REDACTION_ROUNDS ? applyRedactions(inspection.redactions) : 'messages';
        if (stuckAt !== null) throw blockInstead(findings, stuckAt);
        inspection = yield* inspectTexts(chat, detectors, actionOf, ScanBudget.forCharacters(body.bytes.length));
        refuseBlocked(inspection.findings);
        if (inspection.redactions.length === 0) body = withMembers(body, chat, changed);
      }
    } else {
      this.record(findings, context, principal.defaultClassification);
    }

    const level = context.level ?? principal.defaultClassification;
    if (!admits(principal.maxClassification, level)) {
      throw new AegisError(
        'classification_denied',
        `This request is ${level}, and this key may send at most ${principal.maxClassification}. ` +
          'Use a key with that clearance, or take out what raised the level.',
      );
    }
    return { chat, body, findings, level };
  }

  /** What was found counts and is known to the record before anything is refused for it. */
  private record(findings: readonly Finding[], context: RequestContext, lowest: Classification): void {
    context.findings = findings;
    context.level = levelOf(lowest, context.requestedLevel, findings);
    for (const { filter, rule, action } of findings) this.observer.filterActed(filter, rule, action);
  }

  private refuse(fault: unknown, context: RequestContext): never {
    if (fault instanceof AegisError) throw fault;
    if (context.signal.aborted) throw new AegisError('client_closed_request', 'The client left.', { cause: fault });
    const exceeded = fault instanceof ScanBudgetExceededError;
    const finding: Finding = {
      filter: SECRETS,
      rule: exceeded ? BUDGET_RULE : FAILURE_RULE,
      path: 'messages',
      action: 'block',
    };
    context.findings = [...context.findings, finding];
    context.level ??= levelOf(context.principal?.defaultClassification ?? 'RESTRICTED', context.requestedLevel, []);
    this.observer.filterActed(finding.filter, finding.rule, finding.action);
    if (exceeded) {
      throw new AegisError(
        'content_filter',
        'The texts of this request take too much work to search for credentials. Shorten them, or take out repeated ' +
          'beginnings of credentials.',
        { findings: [finding], cause: fault },
      );
    }
    this.logger.error(`request ${context.requestId}: a filter failed and the request was refused`, stackOf(fault));
    throw new AegisError('internal_error', 'AEGIS could not search this request for credentials, so it was refused.', {
      cause: fault,
    });
  }
}

function levelOf(
  lowest: Classification,
  requested: Classification | null,
  findings: readonly Finding[],
): Classification {
  let level = requested === null ? lowest : highest(lowest, requested);
  for (const { action } of findings) if (isRaise(action)) level = highest(level, action.raiseTo);
  return level;
}

function isRaise(action: FilterAction): action is Exclude<FilterAction, string> {
  return typeof action === 'object';
}

/** The client's own bytes with some members written anew; where one has lost its name, all of them are. */
function withMembers(body: RequestBody, chat: WellFormedRequest['chat'], names: ReadonlySet<string>): RequestBody {
  const members: Record<string, unknown> = {};
  for (const name of names) {
    if (!Object.hasOwn(chat, name)) return RequestBody.of(chat);
    members[name] = chat[name];
  }
  const bytes = body.with(members);
  return new RequestBody(bytes, scanJson(bytes, Number.MAX_SAFE_INTEGER).members);
}

function refuseBlocked(findings: readonly Finding[]): void {
  const blocked = findings.filter(({ action }) => action === 'block');
  if (blocked.length > 0) throw contentFilterError(blocked);
}

function blockInstead(findings: readonly Finding[], path: string): AegisError {
  const there = findings.filter((finding) => finding.action === 'redact' && finding.path === path);
  return contentFilterError(there.length > 0 ? there : findings.filter(({ action }) => action === 'redact'));
}

function contentFilterError(blocked: readonly Finding[]): AegisError {
  const named = blocked.slice(0, MAX_NAMED_FINDINGS).map(({ rule, path }) => `${rule} at ${path}`);
  const more = blocked.length > named.length ? ` and ${blocked.length - named.length} more` : '';
  return new AegisError(
    'content_filter',
    `This request was blocked because it holds what looks like a credential: ${named.join(', ')}${more}. ` +
      'Take it out and send the request again; replace the credential if it is real.',
    { param: blocked[0]?.path ?? null, findings: blocked },
  );
}

function stackOf(fault: unknown): string | undefined {
  return fault instanceof Error ? fault.stack : undefined;
}
