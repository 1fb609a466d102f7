import { statusOf } from '../auth/api-key.guard.js';
import type { ConfigSnapshot } from '../config/snapshot.js';
import type { ApiKeyRecord } from '../database/api-key.repository.js';
import { admits, type Classification, highest } from '../domain/classification.js';
import { AegisError } from '../domain/errors.js';
import {
  type ExplainedTarget,
  explainForecast,
  explainKey,
  explainOutcome,
  findRaise,
  type RoutingExplanation,
} from '../domain/explanation.js';
import { mayUseModel, type Principal } from '../domain/principal.js';
import { decideTargets, type HealthView } from '../router/eligibility.js';
import { forecast } from '../router/forecast.js';
import { withEnvironment, withKeys } from './cli.context.js';
import { getValidConfiguration } from './config-check.js';
import { InputError, InputReader } from './input.js';
import { getKey } from './keys.command.js';
import { formatTable } from './table.js';

/** Nobody would be called. */
const NOBODY = 2;
const DEFAULT_LEVEL: Classification = 'INTERNAL';

/** A command line knows no running gateway: all targets are taken to be well. */
const UNKNOWN_HEALTH: HealthView = {
  isSaturated: () => false,
  isCredentialRefused: () => false,
  findCircuitPauseMs: () => null,
  findCooldownMs: () => null,
};

export interface ExplainQuestion {
  readonly model: string;
  /** Null: where the key starts, or INTERNAL. */
  readonly level: Classification | null;
  /** Null: nobody's key is asked about. */
  readonly key: ApiKeyRecord | null;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
}

/** `aegis explain`. Sets the exit code: 0 somebody would be called, 2 nobody. What cannot be answered is thrown. */
export async function explain(options: Readonly<Record<string, unknown>>, strays: readonly string[]): Promise<void> {
  try {
    const explanation = await answer(options, strays);
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify({ ...explanation, live_state: 'unknown' })}\n`
        : describeExplanation(explanation),
    );
    if (explanation.outcome !== 'would_call') process.exitCode = NOBODY;
  } catch (error) {
    // A question that is not clear has an exit code of its own elsewhere; here that one is an answer.
    throw error instanceof InputError ? new Error(error.message) : error;
  }
}

async function answer(
  options: Readonly<Record<string, unknown>>,
  strays: readonly string[],
): Promise<RoutingExplanation> {
  const input = new InputReader(options);
  for (const stray of strays) input.problem(`${stray} is not known here`);
  const model = input.text('model');
  if (model === null || model === '') input.problem('--model is missing');
  const level = input.classification('classification');
  const reference = input.text('key');
  input.assertValid();
  const question = { model: model ?? '', level, nowMs: Date.now() };
  return withEnvironment(async () => {
    const snapshot = await getValidConfiguration(process.env);
    if (reference === null) return explainRouting(snapshot, { ...question, key: null });
    return withKeys(async (keys) => explainRouting(snapshot, { ...question, key: await getKey(keys, reference) }));
  });
}

/** Throws where the model is none. */
export function explainRouting(snapshot: ConfigSnapshot, question: ExplainQuestion): RoutingExplanation {
  const { model, key, nowMs } = question;
  const route = snapshot.models.get(model);
  if (!route) throw new InputError([`models.yaml has no "${model}"; it has ${[...snapshot.models.keys()].join(', ')}`]);
  const principal = key?.principal ?? null;
  const level = chooseLevel(principal, question.level);
  const raise = { requestedLevel: question.level, findings: [], level };
  const whose = {
    key: principal && explainKey(principal),
    raised_by: principal && findRaise({ principal, ...raise }),
  };
  const refusal = key && findKeyRefusal(key, model, level, nowMs);
  if (refusal) {
    return {
      object: 'aegis.routing_decision',
      model,
      level,
      ...whose,
      strategy: route.strategy,
      eligible: [],
      targets: [],
      ...explainOutcome({ kind: 'refused', error: refusal }),
    };
  }
  const decision = decideTargets({
    snapshot,
    principal,
    level,
    model,
    health: UNKNOWN_HEALTH,
    order: (_route, primaries) => primaries,
  });
  // What a target cannot express depends on a request, and there is none.
  return { ...explainForecast(forecast({ snapshot, decision, findProblem: () => null })), ...whose };
}

function chooseLevel(principal: Principal | null, asked: Classification | null): Classification {
  if (principal === null) return asked ?? DEFAULT_LEVEL;
  return asked === null ? principal.defaultClassification : highest(principal.defaultClassification, asked);
}

/** What a request with this key would be refused with before any target is looked at. */
function findKeyRefusal(key: ApiKeyRecord, model: string, level: Classification, nowMs: number): AegisError | null {
  const { principal } = key;
  const status = statusOf(key, nowMs);
  if (status !== 'active') return new AegisError('invalid_api_key', `This key is ${status}.`);
  if (!admits(principal.maxClassification, level)) {
    const message = `The request is ${level}, and this key may send at most ${principal.maxClassification}.`;
    return new AegisError('classification_denied', message);
  }
  if (mayUseModel(principal, model)) return null;
  return new AegisError('model_not_allowed', `This key may not use the model "${model}".`, { param: 'model' });
}

/** For a person: who is asked, the targets one a line, and what would come of it. */
export function describeExplanation(explanation: RoutingExplanation): string {
  const { model, level, key, raised_by: raisedBy, strategy, targets, eligible, outcome, error } = explanation;
  const head = [
    ['Model', `${model} (strategy ${strategy})`],
    ['Level', `${level}${raisedBy ? ', raised by --classification' : ''}`],
    ...(key
      ? [['Key', `${key.prefix}, starts at ${key.default_classification}, may send ${key.max_classification}`]]
      : []),
  ].map(([name = '', value = '']) => `${name.padEnd(8)}${value}\n`);
  const table = targets.length > 0 ? `\n${describeTargets(targets, eligible)}` : '';
  const said = error ? `${outcome} (${error.status}): ${error.message}` : `would call ${eligible[0]}`;
  const notes = ['Circuits, cooldowns and places of running gateways are not known here.'];
  if (strategy !== 'priority' && eligible.length > 1) {
    notes.push(`Which primary comes first changes with each request (strategy ${strategy}).`);
  }
  return `${head.join('')}${table}\nOutcome ${said}\n${notes.map((note) => `Note    ${note}\n`).join('')}`;
}

function describeTargets(targets: readonly ExplainedTarget[], eligible: readonly string[]): string {
  const rows = targets.map((target) => [
    target.id,
    target.role,
    target.classification_ceiling,
    target.eligible ? `eligible, ${eligible.indexOf(target.id) + 1}.` : 'left out',
    target.reason ?? '',
  ]);
  return formatTable([['TARGET', 'ROLE', 'CEILING', 'VERDICT', 'REASON'], ...rows]);
}
