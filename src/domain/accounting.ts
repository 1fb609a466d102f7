import type { Classification } from './classification.js';
import type { AttemptOutcome } from './observer.js';
import type { TokenUsage } from './usage.js';

/**
 * Where a count of tokens comes from: the provider said it, AEGIS counted what was received of an answer that broke
 * off, or nothing was consumed.
 */
export const USAGE_SOURCES = ['provider', 'estimated', 'none'] as const;
export type UsageSource = (typeof USAGE_SOURCES)[number];

/** How a request ended: answered in full, left by its client, broken off or failed, or refused before any attempt. */
export const USAGE_ENDINGS = ['complete', 'client_left', 'failed', 'refused'] as const;
export type UsageEnding = (typeof USAGE_ENDINGS)[number];

/** One try at one target. */
export interface AttemptRecord {
  readonly provider: string;
  readonly model: string;
  readonly outcome: AttemptOutcome;
  readonly durationMs: number;
  readonly usage: TokenUsage | null;
  readonly usageSource: UsageSource;
  /** Nano-USD; null where the target has no price. */
  readonly costNanoUsd: bigint | null;
}

/** What one request of a known key used. Never a word of what was said. */
export interface UsageRecord {
  /** Made by AEGIS, unique: a client may send one request id twice. */
  readonly id: string;
  readonly requestId: string;
  readonly keyId: string;
  readonly organization: string;
  readonly team: string;
  readonly project: string | null;
  /** The alias asked for; null where the request named none that could be read. */
  readonly requestedModel: string | null;
  /** Who served it; null where nobody did. */
  readonly provider: string | null;
  readonly model: string | null;
  readonly level: Classification | null;
  readonly stream: boolean;
  readonly status: number;
  /** The error code on the wire; null where the answer is whole. */
  readonly code: string | null;
  readonly ending: UsageEnding;
  /** The finish reason of the first choice; null where none came. */
  readonly finishReason: string | null;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly upstreamMs: number;
  readonly firstContentMs: number | null;
  /** All attempts together. */
  readonly usage: TokenUsage | null;
  readonly usageSource: UsageSource;
  /** All attempts together, in nano-USD; null where none has a price. */
  readonly costNanoUsd: bigint | null;
  readonly priceVersion: string;
  readonly attempts: readonly AttemptRecord[];
}

/** What is known of a request as it is about to be sent to a target: all that is left of it where the process dies. */
export interface UsageBeginning
  extends Pick<
    UsageRecord,
    | 'id'
    | 'requestId'
    | 'keyId'
    | 'organization'
    | 'team'
    | 'project'
    | 'requestedModel'
    | 'level'
    | 'stream'
    | 'startedAtMs'
    | 'priceVersion'
  > {
  readonly provider: string;
  readonly model: string;
}

/** Durable local storage for usage: what was appended survives the process's death. */
export interface UsageJournal {
  /** False where nothing can be written (disk full, backlog at its bound): by policy new requests are refused then. */
  readonly isWritable: boolean;
  /** Records that are not in the ledger yet. */
  readonly depth: number;
  /** Written before each attempt. Returns and throws as `append` does. */
  begin(beginning: UsageBeginning): void;
  /** Returns once the record is with the operating system. Throws where it cannot be written. */
  append(record: UsageRecord): void;
}

/** Injection token of the `UsageJournal`. */
export const USAGE_JOURNAL = Symbol('UsageJournal');
