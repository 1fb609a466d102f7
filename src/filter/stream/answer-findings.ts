import { AegisError } from '../../domain/errors.js';
import type { FilterAction, Finding } from '../../domain/finding.js';
import type { GatewayObserver } from '../../domain/observer.js';
import type { RequestContext } from '../../request-context/request-context.js';

const MAX_FINDINGS = 100;
const MAX_NAMED_FINDINGS = 10;

/** What filters did to one answer: told to the observer and kept with the request, each rule once a place and action. */
export class AnswerFindings {
  /** Null until something is found. */
  private known: Set<string> | null = null;
  private readonly blocked: Finding[] = [];

  constructor(
    private readonly context: RequestContext,
    private readonly observer: GatewayObserver,
  ) {}

  record(filter: string, rule: string, action: FilterAction, path: string): void {
    const identity = `${filter} ${rule} ${String(action)} ${path}`;
    this.known ??= new Set();
    const { known } = this;
    if (known.has(identity)) return;
    known.add(identity);
    const finding: Finding = { filter, rule, path, action };
    if (action === 'block') this.blocked.push(finding);
    this.observer.filterActed(filter, rule, action);
    if (known.size <= MAX_FINDINGS || action === 'block') {
      this.context.findings = [...this.context.findings, finding];
    }
  }

  /** What the client gets in the place of an answer, or of the rest of it. */
  toError(): AegisError {
    const named = this.blocked.slice(0, MAX_NAMED_FINDINGS).map(({ rule, path }) => `${rule} at ${path}`);
    return new AegisError(
      'content_filter',
      `The model's answer was blocked because it holds what may not be passed on: ${named.join(', ')}.`,
      { param: this.blocked[0]?.path ?? null, findings: this.blocked },
    );
  }
}
