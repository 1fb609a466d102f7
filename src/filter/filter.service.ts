import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import { admits, type Classification, highest } from '../domain/classification.js';
import { AegisError } from '../domain/errors.js';
import type { FilterAction, Finding } from '../domain/finding.js';
import { scanJson } from '../domain/json-scan.js';
import { GATEWAY_OBSERVER, type GatewayObserver, silentObserver } from '../domain/observer.js';
import type { Principal } from '../domain/principal.js';
import { RequestBody } from '../domain/request-body.js';
import type { ScreenedRequest, WellFormedRequest } from '../domain/screened-request.js';
import type { RequestContext } from '../request-context/request-context.js';
import { contentFilterError, deniedError } from './content-filter.error.js';
import { ScanBudget, ScanBudgetExceededError } from './engine/scan-budget.js';
import { ENGINE_FILTER } from './filter-names.js';
import { FilterRules } from './filter-rules.js';
import { type Inspection, type InspectionPlan, inspectTexts } from './inspection.js';
import { PseudonymKeys, type Pseudonyms } from './pseudonyms.js';
import { applyRewrites, type MarkerMaker, markerOf, type Rewrite } from './redaction.js';
import { runInSlices } from './slices.js';

/** Rules of the engine itself, in findings and metrics beside those of the filters. */
const BUDGET_RULE = 'scan-budget-exceeded';
const FAILURE_RULE = 'filter-failed';
/** Taking one credential out can lay another bare; a text that never comes clean is refused. */
const MAX_REWRITE_ROUNDS = 3;

/**
 * Runs the filters over a request: what they find decides whether it goes on, with which texts, and at which level.
 * Fails closed: a filter that cannot finish refuses the request.
 */
@Injectable()
export class FilterService {
  private readonly logger = new Logger('Filter');
  private readonly observer: GatewayObserver;

  constructor(
    private readonly rules: FilterRules,
    private readonly pseudonymKeys: PseudonymKeys,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
  ) {
    this.observer = observer ?? silentObserver;
  }

  /**
   * The request as it may go on; a promise only where it is too long for one slice of work. Sets the context's findings,
   * level and pseudonyms, the first two also where it refuses. With the actions `redact` and `pseudonymize` the texts of
   * `request.chat` are changed in place.
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

    const search = this.planSearch(context, principal);
    let inspection: Inspection = NOTHING;
    if (search) inspection = yield* inspectTexts(chat, search.plan, ScanBudget.forCharacters(body.bytes.length));
    const { findings } = inspection;
    this.record(findings, context, principal.defaultClassification);
    refuseBlocked(findings);
    if (search && inspection.rewrites.length > 0) body = yield* this.rewrite(request, inspection, search, context);

    const level = context.level ?? principal.defaultClassification;
    if (!admits(principal.maxClassification, level)) {
      throw deniedError(level, principal.maxClassification, findings);
    }
    return { chat, body, findings, level };
  }

  /** Null where nothing is looked for. Overrides see the level that was asked for; what is found cannot change what is looked for. */
  private planSearch({ snapshot, requestedLevel }: RequestContext, principal: Principal): Search | null {
    const { unscannedMedia } = snapshot.gateway.filters;
    const active = this.rules.of(snapshot);
    const level = levelOf(principal.defaultClassification, requestedLevel, []);
    const detectors = active.detectorsFor('request', level);
    if (detectors.length === 0 && unscannedMedia === 'allow') return null;
    const pseudonyms = active.mayPseudonymize ? this.pseudonymKeys.begin(principal.organization) : null;
    const plan: InspectionPlan = {
      detectors,
      actionOf: (detection) => active.policy.resolve(detection, 'request', level),
      unscannedMedia,
      skipMarkers: false,
      ...(pseudonyms && { onText: (text: string) => pseudonyms.avoid(text) }),
    };
    return { plan, pseudonyms };
  }

  /** Puts markers in the place of what was found, until nothing more is found that must not go on. */
  private *rewrite(
    { chat, body }: WellFormedRequest,
    first: Inspection,
    { plan, pseudonyms }: Search,
    context: RequestContext,
  ): Generator<void, RequestBody> {
    const again = { ...plan, skipMarkers: true };
    const makeMarker = markersFrom(pseudonyms);
    const changed = new Set<string>();
    let { rewrites } = first;
    for (let round = 0; rewrites.length > 0; round++) {
      for (const { text } of rewrites) changed.add(text.member);
      const stuckAt = round < MAX_REWRITE_ROUNDS ? applyRewrites(rewrites, makeMarker) : 'messages';
      if (stuckAt !== null) throw blockInstead(first.findings, stuckAt);
      const inspection = yield* inspectTexts(chat, again, ScanBudget.forCharacters(body.bytes.length));
      refuseBlocked(inspection.findings);
      rewrites = inspection.rewrites;
    }
    if (pseudonyms && !pseudonyms.isEmpty) context.pseudonyms = pseudonyms;
    return withMembers(body, chat, changed);
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
      filter: ENGINE_FILTER,
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
        'The texts of this request take too much work to search. Shorten them, or take out repeated beginnings of ' +
          'credentials.',
        { findings: [finding], cause: fault },
      );
    }
    this.logger.error(`request ${context.requestId}: a filter failed and the request was refused`, stackOf(fault));
    throw new AegisError('internal_error', 'AEGIS could not search this request, so it was refused.', { cause: fault });
  }
}

interface Search {
  readonly plan: InspectionPlan;
  /** Null where nothing is given a name. */
  readonly pseudonyms: Pseudonyms | null;
}

const NOTHING: Inspection = { findings: [], rewrites: [] };

function markersFrom(pseudonyms: Pseudonyms | null): MarkerMaker {
  return ({ rule, action }: Pick<Rewrite, 'rule' | 'action'>, value) => {
    if (action === 'redact') return markerOf(rule);
    if (!pseudonyms) throw new Error('a value was to be given a name where no rule asks for one');
    return pseudonyms.markerOf(rule, value);
  };
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
  const rewritten = findings.filter(({ action }) => action === 'redact' || action === 'pseudonymize');
  const there = rewritten.filter((finding) => finding.path === path);
  return contentFilterError(there.length > 0 ? there : rewritten);
}

function stackOf(fault: unknown): string | undefined {
  return fault instanceof Error ? fault.stack : undefined;
}
