import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  Logger,
  type NestInterceptor,
  Optional,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { concat, defer, EMPTY, map, mergeMap, type Observable, of, throwError } from 'rxjs';
import type { ChatAnswer, CompletionAnswer, StreamAnswer } from '../domain/chat-answer.js';
import type { Classification } from '../domain/classification.js';
import { AegisError } from '../domain/errors.js';
import type { ExplanationAnswer } from '../domain/explanation.js';
import { GATEWAY_OBSERVER, type GatewayObserver, silentObserver } from '../domain/observer.js';
import type { RequestContext } from '../request-context/request-context.js';
import { ENGINE_FILTER } from './filter-names.js';
import { type ActiveFilters, FilterRules } from './filter-rules.js';
import { AnswerFindings } from './stream/answer-findings.js';
import { AnswerRewriter, BlockedAnswerError } from './stream/answer-rewriter.js';
import { StreamRules } from './stream/stream-rules.js';

type Answer = ChatAnswer | ExplanationAnswer;

const FAILURE_RULE = 'filter-failed';

/**
 * Filters what the model answers, whole or streamed, and puts back the values that markers stood for in the request. An
 * answer that nothing is looked for in is passed on as it is. The innermost interceptor: whoever accounts for answers
 * sees what became of them here.
 */
@Injectable()
export class AnswerFilterInterceptor implements NestInterceptor<Answer, Answer> {
  private readonly logger = new Logger('Filter');
  private readonly observer: GatewayObserver;
  private readonly compiled = new WeakMap<ActiveFilters, Map<Classification, StreamRules | null>>();

  constructor(
    private readonly rules: FilterRules,
    @Optional() @Inject(GATEWAY_OBSERVER) observer?: GatewayObserver,
  ) {
    this.observer = observer ?? silentObserver;
  }

  intercept(execution: ExecutionContext, next: CallHandler<Answer>): Observable<Answer> {
    const { aegis } = execution.switchToHttp().getRequest<FastifyRequest>();
    return next.handle().pipe(map((answer) => this.filter(answer, aegis)));
  }

  /** Throws `content_filter` where a whole answer is blocked; the chunks of a stream end with it. */
  filter(answer: Answer, context: RequestContext): Answer {
    if (answer.kind === 'explanation') return answer;
    const rules = this.rulesFor(context);
    const markers = context.pseudonyms;
    if (rules === null && markers === null) return answer;
    const findings = new AnswerFindings(context, this.observer);
    const rewriter = new AnswerRewriter({ rules, markers, findings });
    return answer.kind === 'completion'
      ? this.filterCompletion(answer, rewriter, findings, context)
      : this.filterStream(answer, rewriter, findings, context);
  }

  private rulesFor({ snapshot, level, principal }: RequestContext): StreamRules | null {
    const active = this.rules.of(snapshot);
    const known = level ?? principal?.defaultClassification ?? 'RESTRICTED';
    let byLevel = this.compiled.get(active);
    if (!byLevel) {
      byLevel = new Map();
      this.compiled.set(active, byLevel);
    }
    let rules = byLevel.get(known);
    if (rules === undefined) {
      rules = StreamRules.of(active.scannerFor('response', known)?.rules ?? [], active.policy, known);
      byLevel.set(known, rules);
    }
    return rules;
  }

  private filterCompletion(
    answer: CompletionAnswer,
    rewriter: AnswerRewriter,
    findings: AnswerFindings,
    context: RequestContext,
  ): CompletionAnswer {
    try {
      return { ...answer, completion: rewriter.rewriteCompletion(answer.completion) };
    } catch (fault) {
      throw this.toError(fault, findings, context);
    }
  }

  private filterStream(
    answer: StreamAnswer,
    rewriter: AnswerRewriter,
    findings: AnswerFindings,
    context: RequestContext,
  ): StreamAnswer {
    // What still waits when the source fails may be the beginning of a secret: it is not sent.
    const rewrite = (work: (out: string[]) => void): Observable<readonly string[]> => {
      const out: string[] = [];
      try {
        work(out);
      } catch (fault) {
        if (fault instanceof BlockedAnswerError) out.push(...fault.before);
        const error = this.toError(fault, findings, context);
        return concat(
          of(out),
          throwError(() => error),
        );
      }
      return out.length === 0 ? EMPTY : of(out);
    };
    const chunks = concat(
      answer.chunks.pipe(
        mergeMap((batch) =>
          rewrite((out) => {
            for (const chunk of batch) out.push(...rewriter.rewriteChunk(chunk));
          }),
        ),
      ),
      defer(() => rewrite((out) => out.push(...rewriter.finish()))),
    );
    return { ...answer, chunks };
  }

  private toError(fault: unknown, findings: AnswerFindings, context: RequestContext): AegisError {
    if (fault instanceof BlockedAnswerError) return findings.toError();
    findings.record(ENGINE_FILTER, FAILURE_RULE, 'block', 'choices');
    const stack = fault instanceof Error ? fault.stack : undefined;
    this.logger.error(`request ${context.requestId}: a filter failed and the answer was refused`, stack);
    return new AegisError('internal_error', 'AEGIS could not search this answer, so it was refused.', { cause: fault });
  }
}
