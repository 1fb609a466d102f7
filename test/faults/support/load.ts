import { type AskerOptions, Askers } from './askers.js';
import type { Reply, StateFleet } from './state-fleet.js';

export interface LoadOptions extends AskerOptions {
  readonly key: string;
  /** What differs from a plain request, for each anew. */
  readonly body?: (turn: number) => object;
}

/** Clients that go on asking all gateways there are, in turn. */
export class Load extends Askers<Reply> {
  static start(fleet: StateFleet, { key, body, ...options }: LoadOptions): Load {
    return new Load(options, (turn) => {
      const member = fleet.members[turn % fleet.members.length];
      if (!member) throw new Error('There is no gateway to ask.');
      return fleet.ask(member, key, body?.(turn));
    });
  }
}

/** The latency that 99 of 100 replies kept, in milliseconds. */
export function p99Ms(replies: readonly Reply[]): number {
  return quantileMs(replies, 0.99);
}

export function medianMs(replies: readonly Reply[]): number {
  return quantileMs(replies, 0.5);
}

function quantileMs(replies: readonly Reply[], share: number): number {
  const sorted = replies.map(({ elapsedMs }) => elapsedMs).sort((one, other) => one - other);
  return Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
}

/** How many replies had which status and code: `{'200': 5, '503 dependency_unavailable': 1}`. */
export function countReplies(replies: readonly Reply[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of replies) {
    const name = code === null ? String(status) : `${status} ${code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
