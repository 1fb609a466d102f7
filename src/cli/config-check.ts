import { loadConfigFromDirectory } from '../config/directory.js';
import type { ConfigSnapshot } from '../config/snapshot.js';
import { readSecretRules } from '../filter/secret-rules.file.js';

const DEFAULT_DIRECTORY = 'config';

export interface ConfigCheck {
  /** Null where the four files cannot be used. */
  readonly snapshot: ConfigSnapshot | null;
  /** Everything that would keep the gateway from starting; empty where nothing would. Holds no secret. */
  readonly problems: readonly string[];
}

/** The configuration that a start would have. Throws with everything that would keep the gateway from starting. */
export async function getValidConfiguration(environment: NodeJS.ProcessEnv): Promise<ConfigSnapshot> {
  const { snapshot, problems } = await checkConfiguration(environment);
  if (snapshot === null || problems.length > 0) throw new Error(problems.join('\n'));
  return snapshot;
}

/** Reads all that a start reads from the configuration's folder, and goes on where a part of it is wrong. */
export async function checkConfiguration(environment: NodeJS.ProcessEnv): Promise<ConfigCheck> {
  const directory = environment.AEGIS_CONFIG_DIR || DEFAULT_DIRECTORY;
  const problems: string[] = [];
  const note = (problem: unknown): null => {
    problems.push(problem instanceof Error ? problem.message : String(problem));
    return null;
  };
  const loaded = await loadConfigFromDirectory(directory, environment).catch(note);
  await readSecretRules(directory).catch(note);
  return { snapshot: loaded?.snapshot ?? null, problems };
}
