import { Injectable, type OnModuleInit, Optional } from '@nestjs/common';
import type { FiltersConfig } from '../config/schema/filters.config.js';
import type { ConfigSnapshot } from '../config/snapshot.js';
import { SnapshotService } from '../config/snapshot.service.js';
import { CLASSIFICATIONS, type Classification } from '../domain/classification.js';
import { FILTER_DIRECTIONS, type FilterDirection } from '../domain/finding.js';
import { ActionPolicy } from './action-policy.js';
import { choosePersonalRules } from './detectors/personal-data.js';
import { PromptInjectionDetector } from './detectors/prompt-injection.detector.js';
import { mayCarryInjection } from './detectors/prompt-injection-scope.js';
import { RulesDetector } from './detectors/rules.detector.js';
import type { TextDetector } from './detectors/text-detector.js';
import { RuleScanner } from './engine/rule-scanner.js';
import { rulesIn } from './rule-files.js';
import type { ScanRule } from './rules/scan-rule.js';

/** A detector, and which of a request's texts are its business. */
export interface FilterDetector {
  readonly detector: TextDetector;
  /** Whether it reads the text at this path of the body. */
  readonly reads: (body: object, path: string) => boolean;
  /** Whether it looks for things that lie in several texts, too. */
  readonly acrossTexts: boolean;
}

/** What a configuration looks for, and what it does about it. Immutable, shared by all requests of a snapshot. */
export class ActiveFilters {
  readonly policy: ActionPolicy;
  /** Whether values of requests may be given other names. */
  readonly mayPseudonymize: boolean;
  private readonly injection: TextDetector | null;
  private readonly scanners = new Map<string, RuleScanner | null>();
  private readonly detectors = new Map<string, readonly FilterDetector[]>();

  constructor(
    filters: FiltersConfig,
    private readonly rules: readonly ScanRule[],
    private readonly scannerOf: (rules: readonly ScanRule[]) => RuleScanner,
  ) {
    this.policy = new ActionPolicy(filters);
    const { promptInjection } = filters;
    this.injection = promptInjection.enabled ? new PromptInjectionDetector(promptInjection) : null;
    const settings = [filters.secrets, filters.personalData, filters.terms].filter(({ enabled }) => enabled);
    this.mayPseudonymize =
      [...settings, ...filters.overrides].some(({ action }) => action === 'pseudonymize') ||
      rules.some(({ actions }) => actions.request === 'pseudonymize');
  }

  /** The engine over the rules that do anything in a direction at a level; null where none does. */
  scannerFor(direction: FilterDirection, level: Classification): RuleScanner | null {
    const name = `${direction} ${level}`;
    const known = this.scanners.get(name);
    if (known !== undefined) return known;
    const rules = this.rules.filter(
      ({ filter, id, actions }) => this.policy.resolve({ filter, rule: id, actions }, direction, level) !== 'off',
    );
    const scanner = rules.length === 0 ? null : this.scannerOf(rules);
    this.scanners.set(name, scanner);
    return scanner;
  }

  /** Rules first, then what weighs texts. */
  detectorsFor(direction: FilterDirection, level: Classification): readonly FilterDetector[] {
    const name = `${direction} ${level}`;
    const known = this.detectors.get(name);
    if (known !== undefined) return known;
    const scanner = this.scannerFor(direction, level);
    const detectors: FilterDetector[] = [];
    if (scanner) detectors.push({ detector: new RulesDetector(scanner), reads: () => true, acrossTexts: true });
    if (this.injection && direction === 'request') {
      detectors.push({ detector: this.injection, reads: mayCarryInjection, acrossTexts: false });
    }
    this.detectors.set(name, detectors);
    return detectors;
  }
}

/** So many sets of rules have their engine kept: two directions of four levels, before and after a reload. */
const MAX_SCANNERS = 16;

/** The filters of each configuration, made once for it; an engine only where its rules are others than before. */
@Injectable()
export class FilterRules implements OnModuleInit {
  private readonly active = new WeakMap<ConfigSnapshot, ActiveFilters>();
  private scanners: RuleScanner[] = [];

  constructor(@Optional() private readonly snapshots?: SnapshotService) {}

  /** Engines take tens of milliseconds to make: no request is to wait for that. */
  onModuleInit(): void {
    if (!this.snapshots) return;
    this.warmUp(this.snapshots.current);
    this.snapshots.changes$.subscribe((snapshot) => this.warmUp(snapshot));
  }

  /** Throws where the configuration was loaded without its rules. */
  of(snapshot: ConfigSnapshot): ActiveFilters {
    const known = this.active.get(snapshot);
    if (known) return known;
    const { filters } = snapshot.gateway;
    const active = new ActiveFilters(filters, enabledRules(snapshot), (rules) => this.scannerOf(rules));
    this.active.set(snapshot, active);
    return active;
  }

  private warmUp(snapshot: ConfigSnapshot): void {
    const active = this.of(snapshot);
    for (const direction of FILTER_DIRECTIONS) {
      for (const level of CLASSIFICATIONS) active.scannerFor(direction, level);
    }
  }

  private scannerOf(rules: readonly ScanRule[]): RuleScanner {
    const known = this.scanners.find((scanner) => isSame(scanner.rules, rules));
    const scanner = known ?? new RuleScanner(rules);
    this.scanners = [scanner, ...this.scanners.filter((other) => other !== scanner)].slice(0, MAX_SCANNERS);
    return scanner;
  }
}

function enabledRules({ gateway, documents }: ConfigSnapshot): readonly ScanRule[] {
  const { secrets, personalData, terms } = gateway.filters;
  return [
    ...(secrets.enabled ? rulesIn(documents, 'secrets') : []),
    ...(personalData.enabled ? choosePersonalRules(rulesIn(documents, 'personal_data'), personalData.rules) : []),
    ...(terms.enabled ? rulesIn(documents, 'terms') : []),
  ];
}

function isSame(first: readonly ScanRule[], second: readonly ScanRule[]): boolean {
  return first.length === second.length && first.every((rule, index) => rule === second[index]);
}
