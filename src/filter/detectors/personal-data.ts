import type { ScanRule } from '../rules/scan-rule.js';

/** Found only where they are asked for by name: texts of programs and their logs are full of them. */
const OFF_UNLESS_LISTED: ReadonlySet<string> = new Set(['ip-address-v4', 'ip-address-v6']);

/** The rules of personal data to look for: those listed by id; where none is listed, all but the addresses of machines. */
export function choosePersonalRules(rules: readonly ScanRule[], listed: readonly string[]): readonly ScanRule[] {
  return rules.filter(({ id }) => (listed.length > 0 ? listed.includes(id) : !OFF_UNLESS_LISTED.has(id)));
}
