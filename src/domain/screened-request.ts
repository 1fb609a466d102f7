import type { ChatCompletionRequest } from './chat.js';
import type { Classification } from './classification.js';
import type { Finding } from './finding.js';
import type { RequestBody } from './request-body.js';

/** A chat request that is well-formed and has passed the filters: the only kind the router takes. */
export interface ScreenedRequest {
  readonly chat: ChatCompletionRequest;
  /** The client's own bytes, for targets that speak the same format. */
  readonly body: RequestBody;
  readonly findings: readonly Finding[];
  /** Header and findings applied; at least the key's default. */
  readonly level: Classification;
}

/** A chat request that is well-formed JSON of the right shape and has not been looked at by a filter yet. */
export interface WellFormedRequest {
  readonly chat: ChatCompletionRequest;
  readonly body: RequestBody;
}
