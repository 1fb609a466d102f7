import type { FlowControl } from '../../domain/chat-answer.js';

/** A stream's source that two may slow: who reads it, and a search that has fallen behind. It flows while neither does. */
export class SharedFlow implements FlowControl {
  private isReaderSlow = false;
  private searches = 0;

  constructor(private readonly source: FlowControl) {}

  pause(): void {
    this.isReaderSlow = true;
    this.source.pause();
  }

  resume(): void {
    this.isReaderSlow = false;
    this.flowOn();
  }

  /** Holds the source until the work is over. */
  during<T>(work: Promise<T>): Promise<T> {
    this.searches += 1;
    this.source.pause();
    return work.finally(() => {
      this.searches -= 1;
      this.flowOn();
    });
  }

  private flowOn(): void {
    if (!this.isReaderSlow && this.searches === 0) this.source.resume();
  }
}
