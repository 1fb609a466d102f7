import type { ErrorCode } from '../domain/errors.js';
import type { RequestDecided } from './audit-record.js';

const FLUSH_MS = 1_000;
/** What callers whom no key names are refused with; a wrong path is nobody's decision. */
const REFUSALS: ReadonlySet<string> = new Set<ErrorCode>([
  'invalid_api_key',
  'authentication_rate_limited',
  'dependency_unavailable',
  'overloaded',
]);

/** Refusals of callers whom nobody knows, counted: a flood of them is one event a second and reason. */
export class StrangerCounts {
  private readonly counts = new Map<ErrorCode, number>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly write: (event: RequestDecided) => void) {}

  add(code: ErrorCode): void {
    if (!REFUSALS.has(code)) return;
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const [reason, count] of this.counts) this.write({ type: 'request.decided', decision: 'deny', reason, count });
    this.counts.clear();
  }
}
