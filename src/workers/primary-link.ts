import type { MetricReport, PrimaryMessage, WorkerMessage } from './messages.js';

/** A primary that takes longer has more trouble than the request that waits for it. */
const ANSWER_MS = 2_000;

/** What the primary may ask of its worker. */
export interface WorkerDuties {
  readMetrics(): Promise<MetricReport>;
  reload(): void;
  /** Told to end, or that the primary is gone: once or more. */
  drain(reason: string): void;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A worker's end of the channel to the process that started it. */
export class PrimaryLink {
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  /** From here on the worker does what it is told. */
  serve(duties: WorkerDuties): void {
    process.on('message', (message: PrimaryMessage) => void this.receive(message, duties));
    process.once('disconnect', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('the primary process is gone'));
      this.waiting.clear();
    });
  }

  /** Resolves once the message is on its way. Never throws: a primary that is gone hears nothing. */
  send(message: WorkerMessage): Promise<void> {
    return new Promise((resolve) => {
      if (!process.connected || process.send === undefined) resolve();
      else process.send(message, undefined, undefined, () => resolve());
    });
  }

  /** Asks the part of the primary with this name. Throws where it does not answer, or cannot. */
  ask(room: string, question: unknown): Promise<unknown> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.waiting.delete(id);
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error('the primary process does not answer'));
      }, ANSWER_MS);
      this.waiting.set(id, {
        resolve: (answer) => {
          settle();
          resolve(answer);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      if (process.connected) void this.send({ kind: 'question', id, room, question });
      else this.waiting.get(id)?.reject(new Error('the primary process is gone'));
    });
  }

  private async receive(message: PrimaryMessage, duties: WorkerDuties): Promise<void> {
    switch (message.kind) {
      case 'metrics':
        return this.send({ kind: 'metrics', id: message.id, report: await duties.readMetrics() });
      case 'drain':
        return duties.drain('drain');
      case 'reload':
        return duties.reload();
      case 'answer':
        return this.waiting.get(message.id)?.resolve(message.answer);
      case 'refusal':
        return this.waiting.get(message.id)?.reject(new Error(message.reason));
      default:
        return message satisfies never;
    }
  }
}
