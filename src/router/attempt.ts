import type { AegisError } from '../domain/errors.js';
import type {
  AnswerContext,
  AnswerOrigin,
  ParsedCompletion,
  ProviderAdapter,
  UpstreamHeaders,
  UpstreamRequest,
} from '../domain/provider-adapter.js';
import type { ProviderConnection } from '../domain/target.js';
import { estimateCompletionTokens } from '../domain/token-estimate.js';
import { UpstreamError } from '../domain/upstream-error.js';
import type { TokenUsage } from '../domain/usage.js';
import type { AttemptLimits } from './attempt-limits.js';
import type { UpstreamClient } from './upstream.client.js';
import type { UpstreamCall, UpstreamReader } from './upstream-call.js';
import { invalidAnswerError, UpstreamConnectError } from './upstream-failures.js';

/** As much of a refusal as is read; every provider's fits many times over. */
const MAX_REFUSAL_BYTES = 64 * 1024;

/** Who is told what becomes of an attempt. */
export interface AttemptListener {
  /** Takes out of an upstream's words what a client must not see. */
  restate(error: UpstreamError): UpstreamError;
  /** Called once, as the first content of the answer comes. */
  firstContentCame(): void;
  /** Called as chunks of a stream come: how many one read of the upstream brought, at least one. */
  chunksCame(count: number): void;
  /** Called once, when the upstream is done with; `error` is null where the answer is whole. */
  ended(error: AegisError | null, received: ReceivedAnswer): void;
}

/** How one try at one target is read, all of it decided beforehand. */
export interface AttemptPlan {
  readonly adapter: ProviderAdapter;
  readonly context: AnswerContext;
  readonly limits: AttemptLimits;
  readonly listener: AttemptListener;
}

/** What an attempt brought, whole or broken off. */
export interface ReceivedAnswer {
  /** The provider's count so far. */
  readonly usage: TokenUsage | null;
  /** An estimate from the content that came, for where the provider gave no count. */
  readonly tokens: () => number;
  /** Of the first choice; null where none came. */
  readonly finishReason: string | null;
  /** Of all choices that have ended. */
  readonly finishReasons: readonly string[];
  readonly origin: AnswerOrigin | null;
}

/**
 * One try at one target: reads the upstream's answer up to what the client can be given. `answer` is rejected with an
 * `UpstreamError`, or with the reason given to `cancel`.
 */
export abstract class Attempt<Answer> implements UpstreamReader {
  readonly answer: Promise<Answer>;
  protected settle!: (answer: Answer) => void;
  protected call: UpstreamCall | null = null;
  private refuse!: (error: AegisError) => void;
  private refusal: { readonly status: number; readonly headers: UpstreamHeaders; readonly body: BoundedBody } | null =
    null;
  private over = false;

  constructor(protected readonly plan: AttemptPlan) {
    this.answer = new Promise((resolve, reject) => {
      this.settle = resolve;
      this.refuse = reject;
    });
  }

  /** The request is not kept: a stream outlives it by far. */
  start(client: UpstreamClient, request: UpstreamRequest, connection: ProviderConnection): this {
    const { adapter, limits } = this.plan;
    try {
      this.call = client.send({ adapter, request, connection, limits }, this);
    } catch (thrown) {
      this.end(new UpstreamConnectError(thrown));
    }
    return this;
  }

  /** Ends the attempt without blame for its target. Harmless where it is over. */
  cancel(reason: AegisError): void {
    this.end(reason);
  }

  onHeaders(status: number, headers: UpstreamHeaders): void {
    if (status >= 300 && status < 400) {
      // Following it would hand the prompt and the credential to an address nobody configured.
      this.end(invalidAnswerError('redirected the request, which AEGIS never follows', status));
    } else if (status < 200 || status > 299) {
      this.refusal = { status, headers, body: new BoundedBody(MAX_REFUSAL_BYTES) };
    }
  }

  onPiece(bytes: Buffer): void {
    if (this.over) return;
    if (!this.refusal) this.readPiece(bytes);
    else if (!this.refusal.body.add(bytes)) this.takeRefusal();
  }

  onEnd(): void {
    if (this.over) return;
    if (this.refusal) this.takeRefusal();
    else this.readEnd();
  }

  onError(error: UpstreamError): void {
    // A status says more than the way the words after it broke off.
    if (this.refusal) this.takeRefusal();
    else this.end(error);
  }

  protected get isOver(): boolean {
    return this.over;
  }

  protected abstract received(): ReceivedAnswer;
  protected abstract readPiece(bytes: Buffer): void;
  protected abstract readEnd(): void;

  /** Called once, as the attempt ends. */
  protected release(_error: AegisError | null): void {
    // A whole answer holds nothing; a stream does.
  }

  protected end(ending: AegisError | null): void {
    if (this.over) return;
    this.over = true;
    const error = ending instanceof UpstreamError ? this.plan.listener.restate(ending) : ending;
    if (error) this.call?.abort();
    else this.call?.drain();
    this.plan.listener.ended(error, this.received());
    this.release(error);
    if (error) this.refuse(error);
  }

  /** For whatever an adapter throws: an answer that it cannot make sense of is the upstream's fault. */
  protected endAs(thrown: unknown): void {
    this.end(
      thrown instanceof UpstreamError
        ? thrown
        : invalidAnswerError('answered with something that is no answer', null, thrown),
    );
  }

  private takeRefusal(): void {
    if (!this.refusal) return;
    const { status, headers, body } = this.refusal;
    const error = this.plan.adapter.parseError(status, headers, body.bytes());
    this.end(error);
  }
}

/** A whole answer in one JSON object. */
export class CompletionAttempt extends Attempt<ParsedCompletion> {
  private readonly body: BoundedBody;
  private parsed: ParsedCompletion | null = null;

  constructor(plan: AttemptPlan) {
    super(plan);
    this.body = new BoundedBody(plan.limits.maxAnswerBytes);
  }

  protected override readPiece(bytes: Buffer): void {
    if (!this.body.add(bytes))
      this.end(invalidAnswerError(`answered with more than ${this.plan.limits.maxAnswerBytes} bytes`));
  }

  protected override readEnd(): void {
    try {
      this.parsed = this.plan.adapter.parseCompletion(this.body.bytes(), this.plan.context);
    } catch (thrown) {
      this.endAs(thrown);
      return;
    }
    this.plan.listener.firstContentCame();
    this.end(null);
    this.settle(this.parsed);
  }

  protected override received(): ReceivedAnswer {
    const completion = this.parsed?.completion;
    return {
      usage: this.parsed?.usage ?? null,
      tokens: () => (completion ? estimateCompletionTokens(completion) : 0),
      finishReason: completion?.choices[0]?.finish_reason ?? null,
      finishReasons: completion?.choices.map((choice) => choice.finish_reason) ?? [],
      origin: this.parsed?.origin ?? null,
    };
  }
}

/** A body read whole, up to a limit. */
export class BoundedBody {
  private readonly pieces: Buffer[] = [];
  private length = 0;

  constructor(private readonly maxBytes: number) {}

  /** False once the limit is passed; what passes it is not kept. */
  add(bytes: Buffer): boolean {
    if (this.length + bytes.length > this.maxBytes) return false;
    this.length += bytes.length;
    this.pieces.push(bytes);
    return true;
  }

  bytes(): Buffer {
    const [only] = this.pieces;
    return only && this.pieces.length === 1 ? only : Buffer.concat(this.pieces, this.length);
  }
}
