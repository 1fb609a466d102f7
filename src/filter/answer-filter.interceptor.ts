import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
  type NestInterceptor,
  type OnModuleInit,
  Optional,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import type { ConfigSnapshot } from '../config/snapshot.js';
import { SnapshotService } from '../config/snapshot.service.js';
import type { ChatCompletion } from '../domain/chat.js';
import type { ChatAnswer, CompletionAnswer, StreamAnswer } from '../domain/chat-answer.js';
import { CLASSIFICATIONS, type Classification } from '../domain/classification.js';
import { AegisError } from '../domain/errors.js';
import type { ExplanationAnswer } from '../domain/explanation.js';
import { GATEWAY_OBSERVER, type GatewayObserver, silentObserver } from '../domain/observer.js';
import { withAnswer } from '../domain/one-answer.js';
import type { RequestContext } from '../request-context/request-context.js';
import { ENGINE_FILTER } from './filter-names.js';
import { type ActiveFilters, FilterRules } from './filter-rules.js';
import { runInSlices } from './slices.js';
import { AnswerFindings } from './stream/answer-findings.js';
import { AnswerRewriter, BlockedAnswerError } from './stream/answer-rewriter.js';
import { AnswerScreen } from './stream/answer-screen.js';
import { textsOf } from './stream/answer-texts.js';
import { AnswerWork, AnswerWorkExceededError } from './stream/answer-work.js';
import { BatchSearch, type ChunkSearch } from './stream/batch-search.js';
import { inOrder, type Step } from './stream/in-order.js';
import { SharedFlow } from './stream/shared-flow.js';
import { StreamRules } from './stream/stream-rules.js';

type Answer = ChatAnswer | ExplanationAnswer;

/** What is looked for in answers at one level. */
interface AnswerRules {
  readonly stream: StreamRules;
  readonly screen: AnswerScreen;
}

const FAILURE_RULE = 'filter-failed';
const BUDGET_RULE = 'scan-budget-exceeded';
/** As many as there are levels. */
const MAX_RECENT = CLASSIFICATIONS.length;

/**
 * Filters what the model answers, whole or streamed, and puts back the values that markers stood for in the request. An
 * answer that nothing is looked for in is passed on as it is. The innermost interceptor: whoever accounts for answers
 * sees what became of them here.
 */
@Injectable()
export class AnswerFilterInterceptor implements NestInterceptor<Answer, Answer>, OnModuleInit {
  private readonly logger = new Logger('Filter');
  private readonly observer: GatewayObserver;
  private readonly compiled = new WeakMap<ActiveFilters, Map<Classification, AnswerRules | null>>();
  /** Levels and configurations mostly do the same. */
  private recent: StreamRules[] = [];

  constructor(
    private readonly rules: FilterRules,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
    @Optional() private readonly snapshots?: SnapshotService,
  ) {
    this.observer = observer ?? silentObserver;
  }

  /** No answer is to wait for its rules to be made ready. */
  onModuleInit(): void {
    if (!this.snapshots) return;
    this.warmUp(this.snapshots.current);
    this.snapshots.changes$.subscribe((snapshot) => this.warmUp(snapshot));
  }

  intercept(execution: ExecutionContext, next: CallHandler<Answer>): Observable<Answer> {
    const { aegis } = execution.switchToHttp().getRequest<FastifyRequest>();
    return withAnswer(next.handle(), { change: (answer) => this.filter(answer, aegis) });
  }

  /**
   * A promise only where a whole answer is too long for one slice of work. Throws `content_filter` where it is blocked; the
   * chunks of a stream end with it.
   */
  filter(answer: Answer, context: RequestContext): Answer | Promise<Answer> {
    if (answer.kind === 'explanation') return answer;
    const rules = this.rulesFor(context);
    const markers = context.pseudonyms;
    if (rules === null && markers === null) return answer;
    const findings = new AnswerFindings(context, this.observer);
    const screen = rules?.screen ?? null;
    const rewriter = new AnswerRewriter({ rules: rules?.stream ?? null, markers, findings, screen });
    return answer.kind === 'completion'
      ? this.filterCompletion(answer, rewriter, findings, context)
      : this.filterStream(answer, rewriter, findings, context);
  }

  private warmUp(snapshot: ConfigSnapshot): void {
    const active = this.rules.of(snapshot);
    for (const level of CLASSIFICATIONS) this.rulesAt(active, level);
  }

  private rulesFor({ snapshot, level, principal }: RequestContext): AnswerRules | null {
    return this.rulesAt(this.rules.of(snapshot), level ?? principal?.defaultClassification ?? 'RESTRICTED');
  }

  private rulesAt(active: ActiveFilters, level: Classification): AnswerRules | null {
    let byLevel = this.compiled.get(active);
    if (!byLevel) {
      byLevel = new Map();
      this.compiled.set(active, byLevel);
    }
    let rules = byLevel.get(level);
    if (rules === undefined) {
      rules = this.makeRules(active, level);
      byLevel.set(level, rules);
    }
    return rules;
  }

  private makeRules(active: ActiveFilters, level: Classification): AnswerRules | null {
    const scanner = active.scannerFor('response', level);
    const stream = StreamRules.of(scanner?.rules ?? [], active.policy, level, this.recent);
    if (!scanner || !stream) return null;
    this.recent = [stream, ...this.recent.filter((other) => other !== stream)].slice(0, MAX_RECENT);
    return { stream, screen: new AnswerScreen(scanner) };
  }

  private filterCompletion(
    answer: CompletionAnswer,
    rewriter: AnswerRewriter,
    findings: AnswerFindings,
    context: RequestContext,
  ): CompletionAnswer | Promise<CompletionAnswer> {
    const work = new AnswerWork();
    work.expect(answer.completion.choices.length, lengthOf(answer.completion));
    const toAnswer = (completion: ChatCompletion): CompletionAnswer => ({ ...answer, completion });
    const refuse = (fault: unknown): never => {
      throw this.toError(fault, findings, context);
    };
    try {
      const rewritten = runInSlices(work.bound(rewriter.completionInSteps(answer.completion)), context.signal);
      return rewritten instanceof Promise ? rewritten.then(toAnswer, refuse) : toAnswer(rewritten);
    } catch (fault) {
      return refuse(fault);
    }
  }

  private filterStream(
    answer: StreamAnswer,
    rewriter: AnswerRewriter,
    findings: AnswerFindings,
    context: RequestContext,
  ): StreamAnswer {
    const work = new AnswerWork();
    const flow = new SharedFlow(answer.flow);
    const search: ChunkSearch = (chunk) => rewriter.chunkInSteps(chunk);
    const fail = (out: readonly string[], fault: unknown): Step => ({
      out: fault instanceof BlockedAnswerError ? [...out, ...fault.before] : out,
      error: this.toError(fault, findings, context),
    });
    const rewriteBatch = (batch: readonly string[]): Step | Promise<Step> => {
      const searched = new BatchSearch(batch, search, work);
      const { out } = searched;
      try {
        if (searched.runSlice()) return { out, error: null };
      } catch (fault) {
        return fail(out, fault);
      }
      const rest = searched.runRest(context.signal);
      return flow.during(rest).then(
        () => ({ out, error: null }),
        (fault: unknown) => fail(out, fault),
      );
    };
    // Only where the source ends well: what waits when it fails may be the beginning of a secret, and is not sent.
    const finish = (): Step => {
      try {
        return { out: rewriter.finish(), error: null };
      } catch (fault) {
        return fail([], fault);
      }
    };
    return { ...answer, flow, chunks: inOrder(answer.chunks, rewriteBatch, finish) };
  }

  private toError(fault: unknown, findings: AnswerFindings, context: RequestContext): AegisError {
    if (fault instanceof BlockedAnswerError) return findings.toError();
    if (fault instanceof AnswerWorkExceededError) {
      findings.record(ENGINE_FILTER, BUDGET_RULE, 'block', 'choices');
      return findings.toError();
    }
    if (context.signal.aborted) return new AegisError('client_closed_request', 'The client left.', { cause: fault });
    findings.record(ENGINE_FILTER, FAILURE_RULE, 'block', 'choices');
    const stack = fault instanceof Error ? fault.stack : undefined;
    this.logger.error(`request ${context.requestId}: a filter failed and the answer was refused`, stack);
    return new AegisError('internal_error', 'AEGIS could not search this answer, so it was refused.', { cause: fault });
  }
}

/** How much text a completion holds at least, in UTF-16 units. */
function lengthOf({ choices }: ChatCompletion): number {
  let length = 0;
  for (const { message } of choices) for (const { value } of textsOf(message)) length += value.length;
  return length;
}
