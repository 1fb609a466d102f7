import type { Socket } from 'node:net';
import { type Dispatcher, errors } from 'undici';
import type { UpstreamHeaders, UpstreamRequest } from '../domain/provider-adapter.js';
import type { UpstreamError } from '../domain/upstream-error.js';
import { UPSTREAM_RESET } from './upstream.connector.js';
import { type CallLimits, UpstreamCall, type UpstreamReader } from './upstream-call.js';
import { brokenConnectionError, invalidAnswerError, timeoutError, UpstreamConnectError } from './upstream-failures.js';

/** How undici names a connection that the other side closed or reset. */
const RESET_CODES: ReadonlySet<string> = new Set([UPSTREAM_RESET, 'EPIPE', 'UND_ERR_SOCKET']);

/** One HTTP exchange, as undici drives it. */
export class HttpCall extends UpstreamCall implements Dispatcher.DispatchHandler {
  readonly origin: string;
  readonly options: Dispatcher.DispatchOptions;
  private controller: Dispatcher.DispatchController | null = null;
  /** The connection this call had made for itself. Null: it was given one that had served before. */
  private ownSocket: Socket | null = null;
  /** Whether any byte of an answer has come. */
  private answered = false;
  private dialedAgain = false;

  constructor(
    request: UpstreamRequest,
    limits: CallLimits,
    reader: UpstreamReader,
    private readonly dialAgain: (call: HttpCall) => void,
  ) {
    super(reader, limits);
    const url = new URL(request.url);
    this.origin = url.origin;
    this.options = {
      path: url.pathname + url.search,
      method: request.method,
      // Nothing here reads compressed answers: they would have to be held back until a block is whole.
      headers: { ...request.headers, 'accept-encoding': 'identity' },
      body: request.body,
    };
  }

  start(dispatch: (options: Dispatcher.DispatchOptions) => void): this {
    this.begin();
    dispatch(this.options);
    return this;
  }

  /** A connection is being made for this call. */
  dialed(socket: Socket): void {
    this.ownSocket = socket;
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
    this.answered = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: UpstreamHeaders): void {
    if (status < 200) return;
    if (this.isPaused) controller.pause();
    this.takeHeaders(status, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, bytes: Buffer): void {
    this.takePiece(bytes);
  }

  onResponseEnd(): void {
    this.takeEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.isOver) return;
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
    this.controller?.pause();
  }

  protected override releaseBytes(): void {
    this.controller?.resume();
  }

  protected override cut(): void {
    if (this.controller) this.controller.abort(new errors.RequestAbortedError());
    // With an error, or undici would wait for this connection for ever.
    else this.ownSocket?.destroy(new errors.RequestAbortedError());
  }

  /**
   * An upstream may close an idle connection in the moment it is used again. A reset before any byte of an answer is
   * most likely that race, so the request is sent once more; a new connection that breaks is a fault and no race.
   */
  private isStaleConnection(error: NodeJS.ErrnoException): boolean {
    return (
      this.phase === 'first_byte' &&
      this.ownSocket === null &&
      !this.answered &&
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
