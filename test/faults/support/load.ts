import { pause } from './fault-site.js';
import type { Member, Reply, StateFleet } from './state-fleet.js';

export interface LoadOptions {
  readonly key: string;
  readonly clients?: number;
  /** Between two requests of one client. */
  readonly pauseMs?: number;
  /** What differs from a plain request, for each anew. */
  readonly body?: (turn: number) => object;
}

/** Clients that go on asking all gateways there are, in turn, until they are told to stop. */
export class Load {
  readonly replies: Reply[] = [];
  private isOver = false;
  private readonly clients: Promise<void>[];

  private constructor(
    private readonly fleet: StateFleet,
    private readonly options: LoadOptions,
  ) {
    this.clients = Array.from({ length: options.clients ?? 8 }, (_, index) => this.run(index));
  }

  static start(fleet: StateFleet, options: LoadOptions): Load {
    return new Load(fleet, options);
  }

  /** What was answered while an action ran. */
  async during(action: () => Promise<unknown>): Promise<Reply[]> {
    const before = this.replies.length;
    await action();
    return this.replies.slice(before);
  }

  /** All replies, once the last one is there. */
  async stop(): Promise<Reply[]> {
    this.isOver = true;
    await Promise.all(this.clients);
    return this.replies;
  }

  private async run(index: number): Promise<void> {
    const { key, body, pauseMs = 20 } = this.options;
    for (let turn = index; !this.isOver; turn += 1) {
      const member: Member | undefined = this.fleet.members[turn % this.fleet.members.length];
      if (member) this.replies.push(await this.fleet.ask(member, key, body?.(turn)));
      await pause(pauseMs);
    }
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
