import type { FlowControl } from '../domain/chat-answer.js';
import type { UpstreamHeaders } from '../domain/provider-adapter.js';
import type { UpstreamTimeouts } from '../domain/target.js';
import type { UpstreamError } from '../domain/upstream-error.js';
import { SlowReaderError, timeoutError, type UpstreamPhase } from './upstream-failures.js';

/** Time limits that a call keeps by itself, in milliseconds. */
export type CallLimits = Pick<UpstreamTimeouts, 'connectMs' | 'firstByteMs' | 'idleMs' | 'totalMs'>;

/**
 * Takes one upstream's answer as it comes. `onHeaders` once, `onPiece` as often as bytes come, then exactly one of
 * `onEnd` and `onError`; `onError` may come at any time. Nothing comes after `abort`, and nothing but what was
 * already under way (one read) after `pause`. Implementations do not throw.
 */
export interface UpstreamReader {
  onHeaders(status: number, headers: UpstreamHeaders): void;
  onPiece(bytes: Buffer): void;
  onEnd(): void;
  onError(error: UpstreamError): void;
}

/** How long an answer that nobody needs the rest of may take to end, so that its connection can serve again. */
const DRAIN_MS = 500;
/** The longest delay a timer takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One call under way: its time limits, its flow, its end. What carries the bytes is for the subclasses. */
export abstract class UpstreamCall implements FlowControl {
  protected phase: UpstreamPhase = 'connect';
  private over = false;
  private draining = false;
  private paused = false;
  private wasPaused = false;
  private phaseTimer: NodeJS.Timeout | undefined;
  private totalTimer: NodeJS.Timeout | undefined;

  constructor(
    protected readonly reader: UpstreamReader,
    protected readonly limits: CallLimits,
  ) {}

  /** Slows the upstream down; its silence is not held against it meanwhile. */
  pause(): void {
    if (this.over || this.paused) return;
    this.paused = true;
    this.wasPaused = true;
    if (this.phase === 'idle') clearTimeout(this.phaseTimer);
    this.holdBytes();
  }

  resume(): void {
    if (this.over || !this.paused) return;
    this.paused = false;
    if (this.phase === 'idle') this.armPhaseTimer(this.limits.idleMs);
    this.releaseBytes();
  }

  /** Cuts the call off, in whatever phase it is. The reader hears nothing more. */
  abort(): void {
    if (this.over) return;
    this.end();
    this.cut();
  }

  /** The answer is known to be whole: what is left may pass unread for a moment, then the connection is cut. */
  drain(): void {
    if (this.over || this.draining) return;
    this.draining = true;
    clearTimeout(this.phaseTimer);
    clearTimeout(this.totalTimer);
    this.totalTimer = setTimeout(() => this.abort(), DRAIN_MS);
    if (this.paused) {
      this.paused = false;
      this.releaseBytes();
    }
  }

  protected get isOver(): boolean {
    return this.over;
  }

  protected get isPaused(): boolean {
    return this.paused;
  }

  protected begin(): void {
    this.totalTimer = setTimeout(() => this.expire('total'), timerMs(this.limits.totalMs));
    this.enterPhase('connect');
  }

  protected enterPhase(phase: 'connect' | 'first_byte' | 'idle'): void {
    this.phase = phase;
    const limitMs =
      phase === 'connect'
        ? this.limits.connectMs
        : phase === 'first_byte'
          ? this.limits.firstByteMs
          : this.limits.idleMs;
    clearTimeout(this.phaseTimer);
    if (!(phase === 'idle' && this.paused)) this.armPhaseTimer(limitMs);
  }

  protected takeHeaders(status: number, headers: UpstreamHeaders): void {
    if (this.over) return;
    this.enterPhase('idle');
    this.reader.onHeaders(status, headers);
  }

  protected takePiece(bytes: Buffer): void {
    if (this.over || this.draining) return;
    this.noticeBytes();
    this.reader.onPiece(bytes);
  }

  /** The upstream is not silent, even where what it sent makes no piece yet. */
  protected noticeBytes(): void {
    if (!this.over && !this.draining && !this.paused) this.phaseTimer?.refresh();
  }

  protected takeEnd(): void {
    if (this.over) return;
    this.end();
    if (!this.draining) this.reader.onEnd();
  }

  protected fail(error: UpstreamError): void {
    if (this.over) return;
    this.end();
    this.cut();
    if (!this.draining) this.reader.onError(error);
  }

  /** Stops taking bytes from the upstream. */
  protected abstract holdBytes(): void;
  protected abstract releaseBytes(): void;
  /** Ends the exchange now; harmless where it has ended. */
  protected abstract cut(): void;

  private armPhaseTimer(limitMs: number): void {
    this.phaseTimer = setTimeout(() => this.expire(this.phase), timerMs(limitMs));
  }

  private expire(phase: UpstreamPhase): void {
    this.fail(phase === 'total' && this.wasPaused ? new SlowReaderError() : timeoutError(phase));
  }

  private end(): void {
    this.over = true;
    clearTimeout(this.phaseTimer);
    clearTimeout(this.totalTimer);
  }
}

/**
 * A limit as a timer takes it, so that it is over when the timer says so: timers count the milliseconds that begin, and
 * so may be up to one early. What is longer than the longest timer is as good as none.
 */
export function timerMs(limitMs: number): number {
  return Math.min(Math.max(Math.ceil(limitMs), 0) + 1, LONGEST_TIMER_MS);
}
