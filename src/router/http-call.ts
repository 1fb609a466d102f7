import { type Dispatcher, errors } from 'undici';
import type { UpstreamHeaders, UpstreamRequest } from '../domain/provider-adapter.js';
import { UpstreamError } from '../domain/upstream-error.js';
import { ContentDecoder, type ContentEncoding, findEncoding } from './content-decoder.js';
import type { Dial } from './proxy-dial.js';
import { UPSTREAM_RESET } from './upstream.connector.js';
import { type CallLimits, UpstreamCall, type UpstreamReader } from './upstream-call.js';
import { brokenConnectionError, invalidAnswerError, timeoutError, UpstreamConnectError } from './upstream-failures.js';

/** How undici names a connection that the other side closed or reset. */
const RESET_CODES: ReadonlySet<string> = new Set([UPSTREAM_RESET, 'EPIPE', 'UND_ERR_SOCKET']);

/** One HTTP exchange, as undici drives it. */
export class HttpCall extends UpstreamCall implements Dispatcher.DispatchHandler {
  readonly origin: string;
  /** Null once an answer has begun: nothing is sent again then. */
  private unanswered: Dispatcher.DispatchOptions | null;
  private controller: Dispatcher.DispatchController | null = null;
  /** The connection this call had made for itself. Null: it was given one that had served before. */
  private ownDial: Dial | null = null;
  private dialedAgain = false;
  /** Null where the body comes as it is. */
  private decoder: ContentDecoder | null = null;

  constructor(
    request: UpstreamRequest,
    limits: CallLimits,
    reader: UpstreamReader,
    private readonly dialAgain: (call: HttpCall) => void,
  ) {
    super(reader, limits);
    const url = new URL(request.url);
    this.origin = url.origin;
    this.unanswered = {
      path: url.pathname + url.search,
      method: request.method,
      // Compressed answers are read too, but an upstream that compresses holds events back until a block is whole.
      headers: { ...request.headers, 'accept-encoding': 'identity' },
      body: request.body,
    };
  }

  get options(): Dispatcher.DispatchOptions {
    if (!this.unanswered) throw new Error('A request that is being answered is not sent again.');
    return this.unanswered;
  }

  start(dispatch: (options: Dispatcher.DispatchOptions) => void): this {
    this.begin();
    dispatch(this.options);
    return this;
  }

  /** A connection is being made for this call. */
  dialed(dial: Dial): void {
    this.ownDial = dial;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.isOver) {
      controller.abort(new errors.RequestAbortedError());
      return;
    }
    this.controller = controller;
    this.enterPhase('first_byte');
  }

  onResponseStarted(): void {
    this.unanswered = null;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: UpstreamHeaders): void {
    if (status < 200) return;
    // As they came: an open stream would keep what was read with them.
    controller.rawHeaders = null;
    if (this.isPaused) controller.pause();
    this.takeHeaders(status, headers);
    if (this.isOver) return;
    const encoding = findEncoding(headers);
    if (encoding === 'unreadable')
      this.fail(invalidAnswerError('encodes its answer in a way that AEGIS cannot read', status));
    else if (encoding) this.decoder = this.openDecoder(encoding, controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (!this.decoder) {
      this.takePiece(bytes);
      return;
    }
    this.noticeBytes();
    this.decoder.write(bytes);
    if (this.decoder.isFull) controller.pause();
  }

  onResponseEnd(): void {
    this.leaveConnection();
    if (this.decoder) this.decoder.end(null);
    else this.takeEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.isOver) return;
    if (this.decoder) {
      this.leaveConnection();
      this.decoder.end(this.restate(error));
      return;
    }
    if (this.isStaleConnection(error)) {
      this.dialedAgain = true;
      this.controller = null;
      this.enterPhase('connect');
      this.dialAgain(this);
      return;
    }
    this.fail(this.restate(error));
  }

  protected override holdBytes(): void {
    this.decoder?.pause();
    this.controller?.pause();
  }

  protected override releaseBytes(): void {
    this.decoder?.resume();
    if (!this.decoder?.isFull) this.controller?.resume();
  }

  protected override cut(): void {
    this.decoder?.destroy();
    if (this.controller) this.controller.abort(new errors.RequestAbortedError());
    // With an error, or undici would wait for this connection for ever.
    else this.ownDial?.destroy(new errors.RequestAbortedError());
  }

  private openDecoder(encoding: ContentEncoding, controller: Dispatcher.DispatchController): ContentDecoder {
    const decoder = new ContentDecoder(encoding, {
      onPiece: (bytes) => this.takePiece(bytes),
      onRoom: () => {
        if (this.controller && !this.isPaused) controller.resume();
      },
      onEnd: (error) => {
        if (!error) this.takeEnd();
        else if (error instanceof UpstreamError) this.fail(error);
        else this.fail(invalidAnswerError('sent a compressed answer that is damaged', null, error));
      },
    });
    if (this.isPaused) decoder.pause();
    return decoder;
  }

  /** Nothing more comes on it: it may serve another call while what came is still being decoded. */
  private leaveConnection(): void {
    this.controller = null;
    this.ownDial = null;
  }

  /**
   * An upstream may close an idle connection in the moment it is used again. A reset before any byte of an answer is
   * most likely that race, so the request is sent once more; a new connection that breaks is a fault and no race.
   */
  private isStaleConnection(error: NodeJS.ErrnoException): boolean {
    return (
      this.phase === 'first_byte' &&
      this.ownDial === null &&
      this.unanswered !== null &&
      !this.dialedAgain &&
      RESET_CODES.has(error.code ?? '')
    );
  }

  private restate(error: Error): UpstreamError {
    if (error instanceof errors.ConnectTimeoutError) return timeoutError('connect', error);
    if (this.phase === 'connect') return new UpstreamConnectError(error);
    if (
      this.phase === 'first_byte' &&
      (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError)
    ) {
      return invalidAnswerError('did not answer in HTTP', null, error);
    }
    return brokenConnectionError(error);
  }
}
