import type { Classification } from './classification.js';

export const BUDGET_WINDOWS = ['day', 'month'] as const;
export type BudgetWindow = (typeof BUDGET_WINDOWS)[number];

export const KEY_STATUSES = ['active', 'revoked', 'expired'] as const;
export type KeyStatus = (typeof KEY_STATUSES)[number];

/** Who calls: what an API key stands for, and what it may do. Immutable; a change makes a new one. */
export interface Principal {
  /** The key's id (uuid). */
  readonly keyId: string;
  /** What may be shown of a key: `aegis-<env>-` and the first characters after it. */
  readonly keyPrefix: string;
  readonly keyName: string;
  readonly organization: string;
  readonly team: string;
  readonly user: string | null;
  readonly defaultClassification: Classification;
  readonly maxClassification: Classification;
  /** Aliases this key may use; null = all, empty = none. */
  readonly allowedModels: readonly string[] | null;
  /** Requests a minute; null = unlimited. */
  readonly rpmLimit: number | null;
  /** Tokens a minute; null = unlimited. */
  readonly tpmLimit: number | null;
  readonly maxParallelRequests: number | null;
  /** Budget in nano-USD (10^-9 USD) per `budgetWindow`; null = unlimited. */
  readonly budgetNanoUsd: bigint | null;
  readonly budgetWindow: BudgetWindow | null;
  /** Milliseconds since 1970; null = never. */
  readonly expiresAtMs: number | null;
  /** Whether it may ask which targets would serve a request, and why the others would not (`X-Aegis-Explain`). */
  readonly mayExplain: boolean;
}

export function mayUseModel(principal: Principal, alias: string): boolean {
  return principal.allowedModels === null || principal.allowedModels.includes(alias);
}
