import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isObject } from '../domain/json.js';
import { formatRuleProblems, loadRules, type RuleProblem } from './rules/rule-loader.js';
import type { ScanRule } from './rules/scan-rule.js';

export const SECRET_RULES_FILE_NAME = 'secret-rules.yaml';

/** The rules that come with the gateway, two floors above both `src/filter` and `dist/src/filter`. */
const SHIPPED_DIRECTORY = fileURLToPath(new URL('../../config', import.meta.url));

/** Rules that cannot be used. `message` lists everything that is wrong with them. */
export class SecretRulesError extends Error {
  constructor(file: string, problems: readonly RuleProblem[]) {
    super(`The secret rules cannot be used:\n${formatRuleProblems(file, problems)}`);
    this.name = 'SecretRulesError';
  }
}

/**
 * Reads `secret-rules.yaml` of a folder; the shipped one where the folder has none, so that a configuration without
 * rules is searched with the usual ones and never with none. Throws with every problem of the file at once.
 */
export async function readSecretRules(directory: string): Promise<readonly ScanRule[]> {
  const own = join(directory, SECRET_RULES_FILE_NAME);
  const ownText = await readIfPresent(own);
  const file = ownText === null ? join(SHIPPED_DIRECTORY, SECRET_RULES_FILE_NAME) : own;
  const { rules, problems } = loadRules(ownText ?? (await readFile(file, 'utf8')), 'secrets');
  if (problems.length > 0) {
    throw new SecretRulesError(file, problems);
  }
  return rules;
}

async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isObject(error) && error.code === 'ENOENT') return null;
    throw error;
  }
}
