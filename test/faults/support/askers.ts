import { pause } from './fault-site.js';

/** How many ask, each one request after the other. */
export interface AskerOptions {
  readonly clients?: number;
  /** Between two requests of one client. */
  readonly pauseMs?: number;
}

/** Clients that go on asking until they are told to stop. */
export class Askers<Answer> {
  readonly answers: Answer[] = [];
  private isOver = false;
  private readonly running: Promise<void>[];

  constructor(
    { clients = 8, pauseMs = 20 }: AskerOptions,
    private readonly ask: (turn: number) => Promise<Answer>,
  ) {
    this.running = Array.from({ length: clients }, (_, index) => this.run(index, pauseMs));
  }

  /** Until so many more were answered. */
  async answered(count: number): Promise<void> {
    const wanted = this.answers.length + count;
    while (this.answers.length < wanted) await pause(5);
  }

  /** What was answered while an action ran. */
  async during(action: () => Promise<unknown>): Promise<Answer[]> {
    const before = this.answers.length;
    await action();
    return this.answers.slice(before);
  }

  /** All answers, once the last one is there. */
  async stop(): Promise<Answer[]> {
    this.isOver = true;
    await Promise.all(this.running);
    return this.answers;
  }

  private async run(index: number, pauseMs: number): Promise<void> {
    for (let turn = index; !this.isOver; turn += 1) {
      this.answers.push(await this.ask(turn));
      await pause(pauseMs);
    }
  }
}
