import type { ErrorCause } from '../domain/error-cause.js';
import type { ErrorCode } from '../domain/errors.js';
import type { RequestContext } from '../request-context/request-context.js';

/**
 * Fields of a request's log line beside `level`, `time`, `service` and `msg` (`request`), in their order. The names are
 * a promise to whoever reads logs by machine; `docs/telemetry.md` has this table.
 */
export const REQUEST_LINE_FIELDS = {
  requestId: 'The `x-request-id` of the answer.',
  method: 'HTTP method.',
  route: "The route's pattern; `unknown` where there is none. Never the path itself, and never the query.",
  status: 'HTTP status; 499 where the client left.',
  complete: '`false` where the connection closed before the last byte was written.',
  durationMs: 'From the request line to the last byte.',
  keyId: "The key's id. Never the key.",
  keyPrefix: "The key's display prefix.",
  organization: "The key's organization.",
  team: "The key's team.",
  model: 'The alias asked for; `unknown` where no such model is configured.',
  stream: 'Whether a stream was asked for.',
  classification: 'The level the request was handled at.',
  project: '`X-Aegis-Project`.',
  traceId: 'The trace: of the span made here, else the one the client named.',
  spanId: "The request's own span, where requests are traced.",
  provider: 'Who served it.',
  servedModel: "The provider's name for the model that served it.",
  attempts: 'Tries at targets.',
  upstreamMs: 'Time spent waiting on upstreams.',
  overheadMs: 'What AEGIS added; of streams, before their first chunk.',
  firstContentMs: 'From the request line to the first content.',
  promptTokens: 'Tokens of the request, over all attempts.',
  completionTokens: 'Tokens of the answer, over all attempts.',
  costNanoUsd: 'Cost over all attempts, in nano-USD, as text.',
  priceVersion: 'The version of pricing.yaml it was worked out with.',
  unpriced: '`true`: served by a target without a price, where such are flagged.',
  findings: "What filters found: `rule path`, never the text. Names in a path that are not the API's own are `*`.",
  code: 'The error code, as in errors.md; `upstream_rejected`: the provider said the request was wrong.',
  cause: 'Whose doing the error is: `caller`, `policy`, `limit`, `provider`, `gateway`.',
} as const satisfies Record<string, string>;

export type RequestLine = { readonly [Field in keyof typeof REQUEST_LINE_FIELDS]?: unknown };

/** What is worked out once for the log line and the metrics. */
export interface RequestFacts {
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly complete: boolean;
  readonly durationMs: number;
  readonly model: string;
  readonly costNanoUsd: bigint | null;
  readonly isUnpriced: boolean;
  readonly overheadMs: number | null;
  readonly failure: { readonly code: ErrorCode | 'upstream_rejected'; readonly cause: ErrorCause } | null;
}

export function buildRequestLine(context: RequestContext, facts: RequestFacts): RequestLine {
  const { principal, usage, served, trace, traceContext } = context;
  const traceId = trace?.traceId ?? traceContext?.traceId;
  return {
    requestId: context.requestId,
    method: facts.method,
    route: facts.route,
    status: facts.status,
    complete: facts.complete,
    durationMs: round(facts.durationMs),
    ...(principal && {
      keyId: principal.keyId,
      keyPrefix: principal.keyPrefix,
      organization: principal.organization,
      team: principal.team,
    }),
    ...(context.requestedModel !== null && { model: facts.model, stream: context.stream }),
    ...(context.level && { classification: context.level }),
    ...(context.project && { project: context.project }),
    ...(traceId && { traceId }),
    ...(trace && { spanId: trace.spanId }),
    ...(served && { provider: served.provider, servedModel: served.model, attempts: served.attempts }),
    ...(served && { upstreamMs: round(context.upstreamMs) }),
    ...(facts.overheadMs !== null && { overheadMs: round(facts.overheadMs) }),
    ...(context.firstContentMs !== null && { firstContentMs: round(context.firstContentMs) }),
    ...(usage && { promptTokens: usage.promptTokens, completionTokens: usage.completionTokens }),
    ...(facts.costNanoUsd !== null && {
      costNanoUsd: facts.costNanoUsd.toString(),
      priceVersion: context.snapshot.pricing.version,
    }),
    ...(facts.isUnpriced && { unpriced: true }),
    ...(context.findings.length > 0 && {
      findings: context.findings.map(({ rule, path }) => `${rule} ${withoutForeignNames(path)}`),
    }),
    ...(facts.failure && { code: facts.failure.code, cause: facts.failure.cause }),
  };
}

/** Names of the API that a path to a text can hold; every other name is the client's own text. */
const API_NAMES: ReadonlySet<string> = new Set(
  `messages role content name tool_calls tool_call_id refusal reasoning_content type text image_url url file file_id
  file_data filename input_audio data function function_call arguments tools functions description parameters properties
  items enum required tool_choice response_format json_schema schema stop user metadata prediction choices message delta
  model custom input safety_identifier prompt_cache_key logit_bias system`.split(/\s+/),
);

function withoutForeignNames(path: string): string {
  return path.replace(/[^.[\]]+/g, (name) => (API_NAMES.has(name) || /^\d+$/.test(name) ? name : '*'));
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
