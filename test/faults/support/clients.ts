import { Agent } from 'undici';
import type { Answer, WorkerGateway } from '../../support/worker-gateway.js';
import { pause } from './fault-site.js';

export interface ClientOptions {
  readonly clients?: number;
  /** Between two requests of one client. */
  readonly pauseMs?: number;
  /** What differs from a plain request, for each anew. Without it every second one is a stream. */
  readonly body?: (turn: number) => object;
  /** A connection for each request instead of some that are kept. */
  readonly isFresh?: boolean;
}

/** Clients that go on asking one gateway until they are told to stop. */
export class Clients {
  readonly answers: Answer[] = [];
  private readonly kept = new Agent();
  private isOver = false;
  private readonly running: Promise<void>[];

  private constructor(
    private readonly gateway: WorkerGateway,
    private readonly options: ClientOptions,
  ) {
    this.running = Array.from({ length: options.clients ?? 4 }, (_, index) => this.run(index));
  }

  static start(gateway: WorkerGateway, options: ClientOptions = {}): Clients {
    return new Clients(gateway, options);
  }

  /** Until so many more were answered. */
  async answered(count: number): Promise<void> {
    const wanted = this.answers.length + count;
    while (this.answers.length < wanted) await pause(5);
  }

  /** All answers, once the last one is there. */
  async stop(): Promise<Answer[]> {
    this.isOver = true;
    await Promise.all(this.running);
    await this.kept.close();
    return this.answers;
  }

  private async run(index: number): Promise<void> {
    const { body = (turn) => ({ stream: turn % 2 === 0 }), pauseMs = 20, isFresh = false } = this.options;
    for (let turn = index; !this.isOver; turn += 1) {
      this.answers.push(await this.gateway.ask(body(turn), isFresh ? {} : { dispatcher: this.kept }));
      await pause(pauseMs);
    }
  }
}

export const isStreamWhole = ({ text }: Answer): boolean => text.endsWith('data: [DONE]\n\n');

/** Of answers that should all have come, streams whole, those that did not. */
export function failuresOf(answers: readonly Answer[]): Answer[] {
  return answers.filter(
    (answer) => answer.status !== 200 || (answer.text.startsWith('data:') && !isStreamWhole(answer)),
  );
}
