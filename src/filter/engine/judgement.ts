import type { ScanRule } from '../rules/scan-rule.js';
import { isPlaceholder } from './placeholders.js';
import { measureEntropy } from './validators.js';

/** Whether a checksum proves the credential; null where it is none at all, only looks like one or stands for one. */
export function judgeSecret(rule: ScanRule, secret: string): boolean | null {
  let verified = false;
  for (const validate of rule.validators) {
    const verdict = validate(secret);
    if (verdict === 'refuted') return null;
    if (verdict === 'verified') verified = true;
  }
  if (verified || rule.closing !== null) return verified;
  if (rule.minEntropy > 0 && measureEntropy(secret) < rule.minEntropy) return null;
  if (rule.allow.some((example) => example.test(secret))) return null;
  return isPlaceholder(secret) ? null : false;
}
