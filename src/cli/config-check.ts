import { findSigningKeyProblem } from '../audit/signing-key.js';
import { getConfigDirectory, loadConfigFromDirectory } from '../config/directory.js';
import { formatProblem } from '../config/problem.js';
import type { ConfigSnapshot } from '../config/snapshot.js';
import { FILTER_SETTINGS } from '../filter/filter-settings.js';

export interface ConfigCheck {
  /** Null where the files cannot be used. */
  readonly snapshot: ConfigSnapshot | null;
  /** Everything that would keep the gateway from starting; empty where nothing would. Holds no secret. */
  readonly problems: readonly string[];
  /** What is valid, and yet perhaps not what was meant. Holds no secret. */
  readonly warnings: readonly string[];
}

/** A configuration that a start would have, and what the start would warn of. */
export interface ValidConfiguration {
  readonly snapshot: ConfigSnapshot;
  readonly warnings: readonly string[];
}

/** The configuration that a start would have. Throws with everything that would keep the gateway from starting. */
export async function getValidConfiguration(environment: NodeJS.ProcessEnv): Promise<ValidConfiguration> {
  const { snapshot, problems, warnings } = await checkConfiguration(environment);
  if (snapshot === null || problems.length > 0) throw new Error(problems.join('\n'));
  return { snapshot, warnings };
}

/** Reads all that a start reads from the configuration's folder, and goes on where a part of it is wrong. */
export async function checkConfiguration(environment: NodeJS.ProcessEnv): Promise<ConfigCheck> {
  const directory = getConfigDirectory(environment);
  const problems: string[] = [];
  const note = (problem: unknown): null => {
    problems.push(problem instanceof Error ? problem.message : String(problem));
    return null;
  };
  const loaded = await loadConfigFromDirectory(directory, environment, FILTER_SETTINGS).catch(note);
  const warnings = (loaded?.warnings ?? []).map(formatProblem);
  // Where a configuration is checked, its secrets need not be.
  const signing = loaded ? findSigningKeyProblem(loaded.snapshot.gateway.audit) : null;
  if (signing !== null) warnings.push(signing);
  return { snapshot: loaded?.snapshot ?? null, problems, warnings };
}
