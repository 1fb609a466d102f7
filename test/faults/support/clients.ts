import { Agent } from 'undici';
import type { Answer, WorkerGateway } from '../../support/worker-gateway.js';
import { type AskerOptions, Askers } from './askers.js';

export interface ClientOptions extends AskerOptions {
  /** What differs from a plain request, for each anew. Without it every second one is a stream. */
  readonly body?: (turn: number) => object;
  /** A connection for each request instead of some that are kept. */
  readonly isFresh?: boolean;
}

/** Clients that go on asking one gateway. */
export class Clients extends Askers<Answer> {
  private constructor(
    options: AskerOptions,
    ask: (turn: number) => Promise<Answer>,
    private readonly kept: Agent,
  ) {
    super(options, ask);
  }

  static start(gateway: WorkerGateway, options: ClientOptions = {}): Clients {
    const { clients = 4, body = (turn) => ({ stream: turn % 2 === 0 }), isFresh = false } = options;
    const kept = new Agent();
    const asking = isFresh ? {} : { dispatcher: kept };
    return new Clients({ ...options, clients }, (turn) => gateway.ask(body(turn), asking), kept);
  }

  override async stop(): Promise<Answer[]> {
    const answers = await super.stop();
    await this.kept.close();
    return answers;
  }
}

export const isStreamWhole = ({ text }: Answer): boolean => text.endsWith('data: [DONE]\n\n');

/** Of answers that should all have come, streams whole, those that did not. */
export function failuresOf(answers: readonly Answer[]): Answer[] {
  return answers.filter(
    (answer) => answer.status !== 200 || (answer.text.startsWith('data:') && !isStreamWhole(answer)),
  );
}
