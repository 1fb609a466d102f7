import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CONFIG_FILE_NAMES,
  type ConfigFileName,
  type ConfigFiles,
  type Environment,
} from '../../../src/config/files.js';
import { type LoadedConfig, loadConfig, type RefusedConfig } from '../../../src/config/loader.js';
import { formatProblem } from '../../../src/config/problem.js';
import type { GatewayConfig } from '../../../src/config/schema/gateway.config.js';

export type Texts = Partial<Record<ConfigFileName, string | null>>;

/** The smallest configuration that is right. */
export const VALID: Record<ConfigFileName, string> = {
  'gateway.yaml': 'server: {port: 8080}\n',
  'providers.yaml': 'providers:\n  house: {type: vllm, base_url: "http://127.0.0.1:8000/v1"}\n',
  'models.yaml': 'models:\n  fast:\n    primary: {provider: house, model: llama, classification_ceiling: INTERNAL}\n',
  'pricing.yaml': 'version: "1"\nprices:\n  - {provider: house, model: llama, input: 0, output: 0}\n',
};

export interface LoadOptions {
  readonly environment?: Environment;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly running?: GatewayConfig;
  readonly nowMs?: number;
  readonly cores?: number;
}

/** Loads the smallest right configuration with some of its files replaced; null = the file is missing. */
export function load(texts: Texts = {}, options: LoadOptions = {}): LoadedConfig | RefusedConfig {
  const files = Object.fromEntries(
    CONFIG_FILE_NAMES.map((name) => {
      const text = texts[name] === undefined ? VALID[name] : texts[name];
      return [name, text === null ? { text: null, fault: 'missing' } : { text }];
    }),
  ) as ConfigFiles;
  return loadConfig({
    files,
    environment: options.environment ?? {},
    readSecretFile: (path) => {
      const text = options.secrets?.[path];
      if (text === undefined) throw new Error('no such file');
      return text;
    },
    nowMs: options.nowMs ?? 1_700_000_000_000,
    ...(options.running && { running: options.running }),
    ...(options.cores !== undefined && { cores: options.cores }),
  });
}

/** The problems as they are printed; empty where the configuration is right. */
export function problemsOf(texts: Texts, options: LoadOptions = {}): string[] {
  const result = load(texts, options);
  return result.ok ? [] : result.problems.map(formatProblem);
}

export function loaded(texts: Texts = {}, options: LoadOptions = {}): LoadedConfig {
  const result = load(texts, options);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result;
}

/** The shipped files of `config` or `config/production`. */
export function shipped(folder: string): Record<ConfigFileName, string> {
  const read = (name: ConfigFileName): string => readFileSync(join(__dirname, '../../..', folder, name), 'utf8');
  return Object.fromEntries(CONFIG_FILE_NAMES.map((name) => [name, read(name)])) as Record<ConfigFileName, string>;
}
