import { Observable, type Subscriber } from 'rxjs';
import type { FlowControl } from '../domain/chat-answer.js';
import { AegisError } from '../domain/errors.js';
import type { AnswerOrigin, StreamTranslator } from '../domain/provider-adapter.js';
import type { TokenUsage } from '../domain/usage.js';
import { toChunks } from './adapters/whole-answer.js';
import { Attempt, type AttemptPlan, BoundedBody, type ReceivedAnswer } from './attempt.js';
import { ReceivedContent } from './received-content.js';
import { SseParser } from './sse.parser.js';
import { timerMs } from './upstream-call.js';
import { invalidAnswerError, timeoutError } from './upstream-failures.js';

const OPEN_OBJECT = 0x7b;
const OPEN_ARRAY = 0x5b;
const SPACE = 0x20;

/** A stream whose first content is in. */
export interface OpenedStream {
  readonly chunks: Observable<readonly string[]>;
  readonly flow: FlowControl;
  usage(): TokenUsage | null;
}

/**
 * An answer as a stream. `answer` is settled by the first content: until then the attempt may fail and another target
 * be tried; from then on a failure is the stream's.
 */
export class StreamAttempt extends Attempt<OpenedStream> {
  private readonly translator: StreamTranslator;
  private readonly parser: SseParser;
  private readonly firstContentTimer: NodeJS.Timeout;
  /** The answer of a server that does not stream although it was asked to: JSON, whatever type it says it has. */
  private whole: BoundedBody | null = null;
  private wholeUsage: TokenUsage | null = null;
  private wholeOrigin: AnswerOrigin | null = null;
  private readonly content = new ReceivedContent();
  private begun = false;
  /** Chunks that nobody has taken yet. */
  private waiting: string[] = [];
  private subscriber: Subscriber<readonly string[]> | null = null;
  private opened = false;
  /** Bytes that brought nothing: all of them before the first content, then those since the last chunk. */
  private bytesInVain = 0;
  private streamedBytes = 0;
  /** How the stream ended; undefined while it runs. */
  private ending: AegisError | null | undefined;
  private readerIsSlow = false;
  /** Held back because the answer is there and its reader is not yet. */
  private held = false;

  constructor(plan: AttemptPlan) {
    super(plan);
    this.translator = plan.adapter.openStream(plan.context);
    this.parser = new SseParser(plan.limits.maxEventBytes);
    this.firstContentTimer = setTimeout(
      () => this.end(timeoutError('first_content')),
      timerMs(plan.limits.firstContentMs),
    );
  }

  protected override received(): ReceivedAnswer {
    const { content } = this;
    return {
      usage: this.usage(),
      tokens: () => content.tokens,
      finishReason: content.finishReason,
      finishReasons: content.finishReasons,
      origin: this.translator.origin ?? this.wholeOrigin,
    };
  }

  private usage(): TokenUsage | null {
    return this.translator.usage ?? this.wholeUsage;
  }

  protected override readPiece(bytes: Buffer): void {
    this.streamedBytes += bytes.length;
    if (this.streamedBytes > this.plan.limits.maxStreamBytes) {
      this.end(invalidAnswerError(`streams more than ${this.plan.limits.maxStreamBytes} bytes`));
      return;
    }
    if (!this.begun) this.begin(bytes);
    if (!this.whole) {
      this.translate(() => this.parser.push(bytes), bytes.length);
    } else if (!this.whole.add(bytes)) {
      this.end(invalidAnswerError(`answered with more than ${this.plan.limits.maxAnswerBytes} bytes`));
    }
  }

  /** No line of an event stream that means anything begins with a bracket. */
  private begin(bytes: Buffer): void {
    const first = bytes.find((byte) => byte > SPACE);
    if (first === undefined) return;
    this.begun = true;
    if (first === OPEN_OBJECT || first === OPEN_ARRAY) this.whole = new BoundedBody(this.plan.limits.maxAnswerBytes);
  }

  protected override readEnd(): void {
    if (this.whole) {
      this.readWhole(this.whole);
      return;
    }
    this.translate(() => this.parser.end(), 0);
    if (!this.isOver) this.complete([]);
  }

  protected override release(error: AegisError | null): void {
    clearTimeout(this.firstContentTimer);
    this.ending = error;
    if (!this.subscriber) return;
    if (error) this.subscriber.error(error);
    else this.subscriber.complete();
  }

  private readWhole(body: BoundedBody): void {
    try {
      const { completion, usage, origin } = this.plan.adapter.parseCompletion(body.bytes(), this.plan.context);
      this.wholeUsage = usage;
      this.wholeOrigin = origin ?? null;
      this.deliver(toChunks(completion, this.plan.context.includeUsage));
    } catch (thrown) {
      this.endAs(thrown);
      return;
    }
    this.open();
    this.end(null);
  }

  private translate(read: () => readonly { readonly type: string; readonly data: string }[], byteCount: number): void {
    const texts: string[] = [];
    let failure: { readonly thrown: unknown } | null = null;
    try {
      for (const event of read()) {
        for (const text of this.translator.push(event)) texts.push(text);
        if (this.translator.finished) break;
      }
    } catch (thrown) {
      // What came before it is the client's: where reads happen to be cut must change nothing.
      failure = { thrown };
    }
    if (!failure && this.translator.finished) {
      this.complete(texts);
      return;
    }
    this.deliver(texts);
    if (failure) {
      this.endAs(failure.thrown);
      return;
    }
    this.bytesInVain = this.opened && texts.length > 0 ? 0 : this.bytesInVain + byteCount;
    if (this.bytesInVain > this.plan.limits.maxEventBytes) this.end(invalidAnswerError('streams without any content'));
  }

  /** The upstream has said its last: the translator decides whether the answer is whole. */
  private complete(texts: string[]): void {
    let failure: { readonly thrown: unknown } | null = null;
    try {
      for (const text of this.translator.end()) texts.push(text);
    } catch (thrown) {
      failure = { thrown };
    }
    this.deliver(texts);
    if (failure) {
      this.endAs(failure.thrown);
      return;
    }
    this.open();
    this.end(null);
  }

  private deliver(texts: string[]): void {
    const wasOpen = this.opened;
    if (this.translator.hasContent) this.open();
    if (texts.length === 0) return;
    for (const text of texts) this.content.add(text);
    this.plan.listener.chunksCame(texts.length);
    if (this.subscriber) {
      this.subscriber.next(texts);
      return;
    }
    for (const text of texts) this.waiting.push(text);
    if (wasOpen) {
      this.held = true;
      this.applyFlow();
    }
  }

  private open(): void {
    if (this.opened) return;
    this.opened = true;
    clearTimeout(this.firstContentTimer);
    this.plan.listener.firstContentCame();
    this.settle({
      chunks: new Observable((subscriber) => this.attach(subscriber)),
      flow: { pause: () => this.slow(true), resume: () => this.slow(false) },
      usage: () => this.usage(),
    });
  }

  private attach(subscriber: Subscriber<readonly string[]>): () => void {
    if (this.subscriber) throw new Error('The chunks of a stream take one subscriber.');
    this.subscriber = subscriber;
    const waiting = this.waiting;
    this.waiting = [];
    if (waiting.length > 0) subscriber.next(waiting);
    if (this.ending) subscriber.error(this.ending);
    else if (this.ending === null) subscriber.complete();
    this.held = false;
    this.applyFlow();
    return () =>
      this.cancel(new AegisError('client_closed_request', 'The client left before the answer was complete.'));
  }

  private slow(readerIsSlow: boolean): void {
    this.readerIsSlow = readerIsSlow;
    this.applyFlow();
  }

  private applyFlow(): void {
    if (this.held || this.readerIsSlow) this.call?.pause();
    else this.call?.resume();
  }
}
