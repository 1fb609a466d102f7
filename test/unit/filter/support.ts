import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import type { FiltersConfig, RequestAction } from '../../../src/config/schema/filters.config.js';
import { GatewayConfig } from '../../../src/config/schema/gateway.config.js';
import type { ConfigSnapshot } from '../../../src/config/snapshot.js';
import type { Classification } from '../../../src/domain/classification.js';
import type { Detection } from '../../../src/domain/detector.js';
import type { GatewayObserver } from '../../../src/domain/observer.js';
import { RequestBody } from '../../../src/domain/request-body.js';
import type { WellFormedRequest } from '../../../src/domain/screened-request.js';
import { choose } from '../../../src/filter/choice.js';
import { RulesDetector } from '../../../src/filter/detectors/rules.detector.js';
import { detectAll } from '../../../src/filter/detectors/text-detector.js';
import { RuleScanner } from '../../../src/filter/engine/rule-scanner.js';
import { FilterService } from '../../../src/filter/filter.service.js';
import { FilterRules } from '../../../src/filter/filter-rules.js';
import { PseudonymKeys } from '../../../src/filter/pseudonyms.js';
import { RULE_FILE_NAMES, RuleSet } from '../../../src/filter/rule-files.js';
import { loadRules } from '../../../src/filter/rules/rule-loader.js';
import type { ScanRule } from '../../../src/filter/rules/scan-rule.js';
import type { RequestContext } from '../../../src/request-context/request-context.js';
import { makePrincipal, makeRequestContext } from '../../support/principals.js';

export const RULES_TEXT = readFileSync('config/secret-rules.yaml', 'utf8');
export const SHIPPED_RULES = loadRules(RULES_TEXT, 'secrets').rules;
export const scanner = new RuleScanner(SHIPPED_RULES);
export const detector = new RulesDetector(scanner);

/** Credentials that were never issued, put together here so that no scanner of this repository takes them for real. */
export const SECRETS = {
  awsId: `AK${'IA'}Q3EGRJ7X2NLWV5TB`,
  github: `gh${'p_'}R7tK2mXw9LqZ4vNc8JhB5sYdF1gPaE3uT6iO`,
  fineGrained: `github${'_pat_'}11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789aBc`,
  gitlab: `gl${'pat-'}Zk4wXr7TqNs2Lm9vHj5B`,
  stripe: `sk${'_live_'}4eC39HqLyjWDarjtT1zdp7dc`,
  npm: `np${'m_'}Vb3kPz8QmT5xW2cRj7LnH9sYdG4fA6eU1iOq`,
  sendgrid: `S${'G.'}ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr`,
  database: `postgres://app:Tr0ub4${'dor'}3x@db.acme.test:5432/app`,
  awsSecret: `wJalrXUtnFEMI7K7MDENG${'bPxRfiCY'}zQ8vT2mLkX9`,
} as const;

export const JWT_TEXT = [
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9',
  'eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ',
  'iua4krDLXvCmvjgu9FIkhZ1glP7PMjHSlzFgu48UhQM',
].join('.');

export const PEM = [
  `-----BEGIN RSA ${'PRIVATE'} KEY-----`,
  'MIIEpAIBAAKCAQEA04up8hoqzS1APIB0RhjXyObwHQnOzhAk5Bd7mhkSbPkyhP1i',
  'cGxNrGRbYM5ixZ9kTsYtsLg3CU2Ckh7uQsW0aLqT3nVd5Rk8XpZ1mBvYwE6oJfHs',
  `-----END RSA ${'PRIVATE'} KEY-----`,
].join('\n');

interface RuleSource {
  readonly id: string;
  readonly positive: readonly string[];
  readonly negative: readonly string[];
}

/** The shipped rules' examples, put together. */
export const RULE_EXAMPLES: readonly RuleSource[] = (
  parse(RULES_TEXT) as { rules: { id: string; examples: { positive: string[]; negative?: string[] } }[] }
).rules.map(({ id, examples }) => ({
  id,
  positive: examples.positive.map(putTogether),
  negative: (examples.negative ?? []).map(putTogether),
}));

function putTogether(example: string): string {
  return example.replaceAll('<+>', '');
}

/** What counts of the matches in a text, where the same is done about all of them. */
export function detect(text: string): readonly Detection[] {
  const candidates = detectAll(detector, text).map((detection) => ({
    ...detection,
    detection,
    wholeStart: detection.whole?.start ?? detection.start,
    wholeEnd: detection.whole?.end ?? detection.end,
    action: 'block' as const,
  }));
  return choose(candidates).map(({ candidate }) => candidate.detection);
}

export function rulesIn(text: string): string[] {
  return detect(text).map(({ rule }) => rule);
}

/** The labelled texts of other scanners; null where they are not on this machine. */
export const sharedCases = ((): string | null => {
  const directory = join(process.env.AEGIS_SHARED_DIR ?? resolve('..', 'shared'), 'secret-cases');
  return existsSync(directory) ? directory : null;
})();

export function requestOf(chat: object): WellFormedRequest {
  const whole = { model: 'aegis-fast', messages: [], ...chat };
  return { chat: whole, body: RequestBody.of(whole) };
}

export function say(content: unknown): WellFormedRequest {
  return requestOf({ messages: [{ role: 'user', content }] });
}

export function makeService(observer?: GatewayObserver): FilterService {
  return new FilterService(new FilterRules(), new PseudonymKeys(() => 'a pepper that is used in tests only'), observer);
}

export interface RulesByFilter {
  readonly secrets?: readonly ScanRule[];
  readonly personal_data?: readonly ScanRule[];
  readonly terms?: readonly ScanRule[];
}

export function documentsOf(rules: RulesByFilter): Map<string, unknown> {
  return new Map([
    [RULE_FILE_NAMES.secrets, new RuleSet(rules.secrets ?? SHIPPED_RULES)],
    [RULE_FILE_NAMES.personal_data, new RuleSet(rules.personal_data ?? [])],
    [RULE_FILE_NAMES.terms, new RuleSet(rules.terms ?? [])],
  ]);
}

export interface ContextFacts {
  readonly rules?: RulesByFilter;
  /** Changes the filters' settings. */
  readonly settings?: (filters: FiltersConfig) => void;
  readonly organization?: string;
  readonly enabled?: boolean;
  readonly action?: RequestAction;
  readonly lowest?: Classification;
  readonly highest?: Classification;
  readonly requested?: Classification | null;
  readonly signal?: AbortSignal;
}

export function contextOf(facts: ContextFacts = {}): RequestContext {
  const gateway = new GatewayConfig();
  gateway.filters.secrets.enabled = facts.enabled ?? true;
  gateway.filters.secrets.action = facts.action ?? 'block';
  facts.settings?.(gateway.filters);
  const snapshot: ConfigSnapshot = {
    version: 'test',
    loadedAtMs: 0,
    gateway,
    providers: new Map(),
    models: new Map(),
    pricing: { version: 'test', prices: new Map() },
    documents: documentsOf(facts.rules ?? {}),
  };
  const principal = makePrincipal({
    defaultClassification: facts.lowest ?? 'INTERNAL',
    maxClassification: facts.highest ?? 'RESTRICTED',
    organization: facts.organization ?? 'acme',
  });
  return makeRequestContext(snapshot, principal, {
    requestedLevel: facts.requested ?? null,
    ...(facts.signal && { signal: facts.signal }),
  });
}
