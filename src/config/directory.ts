import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isObject } from '../domain/json.js';
import { ConfigError } from './config.error.js';
import { type ConfigExtension, type DocumentFiles, type DocumentReader, NO_EXTENSION } from './extension.js';
import {
  CONFIG_FILE_NAMES,
  type ConfigFile,
  type ConfigFileName,
  type ConfigFiles,
  type Environment,
  type SecretFileReader,
} from './files.js';
import { type LoadedConfig, loadConfig } from './loader.js';
import { Places } from './places.js';
import { Problems } from './problem.js';
import { GatewayConfig } from './schema/gateway.config.js';
import { SectionReader } from './section.reader.js';
import { Substitution } from './substitution.js';
import { countCores } from './workers.js';
import { parseYaml } from './yaml-document.js';

const GATEWAY_FILE = 'gateway.yaml';
const DEFAULT_DIRECTORY = 'config';
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_SECRET_BYTES = 64 * 1024;
const STEADY_PAUSE_MS = 50;
const STEADY_READS = 20;

/** The configuration's folder, as the gateway finds it. */
export function getConfigDirectory(environment: Environment): string {
  return environment.AEGIS_CONFIG_DIR || DEFAULT_DIRECTORY;
}

/** What the configuration's files, and the secret files they name, held at one moment. */
export class ConfigReading {
  private readonly secrets = new Map<string, string | null>();

  constructor(
    readonly files: ConfigFiles,
    readonly documents: DocumentFiles = {},
  ) {}

  /** Reads each secret file once, so that what was compared is what is loaded. */
  readonly readSecretFile: SecretFileReader = (path) => {
    const text = this.findSecret(path);
    if (text === null) throw new Error(`${path} cannot be read`);
    return text;
  };

  /** Equal for two readings that found the same. Kept in this process: it covers secrets. */
  fingerprint(secretFiles: readonly string[]): string {
    const secrets = secretFiles.toSorted().map((path) => [path, this.findSecret(path)]);
    return createHash('sha256')
      .update(JSON.stringify([this.files, this.documents, secrets]))
      .digest('hex');
  }

  private findSecret(path: string): string | null {
    const known = this.secrets.get(path);
    if (known !== undefined) return known;
    const text = readSmallFile(path);
    this.secrets.set(path, text);
    return text;
  }
}

/** Reads the four files and the extension's. Never throws: what cannot be read is part of the reading. */
export async function readConfigDirectory(
  directory: string,
  extension: ConfigExtension = NO_EXTENSION,
): Promise<ConfigReading> {
  const files = await Promise.all(
    CONFIG_FILE_NAMES.map(async (name) => [name, await readConfigFile(join(directory, name))] as const),
  );
  const documents = await Promise.all(
    extension.documents.map(async (reader) => [reader.fileName, await readDocument(directory, reader)] as const),
  );
  return new ConfigReading(
    Object.fromEntries(files) as Record<ConfigFileName, ConfigFile>,
    Object.fromEntries(documents),
  );
}

async function readDocument(directory: string, { fileName, shippedFile }: DocumentReader): Promise<ConfigFile> {
  const own = await readConfigFile(join(directory, fileName));
  const isMissing = own.text === null && own.fault === 'missing';
  return isMissing && shippedFile !== null ? readConfigFile(shippedFile) : own;
}

/** Reads all files until two readings agree, so that none is caught halfway through being replaced. */
export async function readSteadyDirectory(directory: string, extension: ConfigExtension): Promise<ConfigReading> {
  let reading = await readConfigDirectory(directory, extension);
  for (let read = 1; read < STEADY_READS; read++) {
    await delay(STEADY_PAUSE_MS);
    const next = await readConfigDirectory(directory, extension);
    if (next.fingerprint([]) === reading.fingerprint([])) return next;
    reading = next;
  }
  return reading;
}

/** Reads, checks and builds the configuration of a folder. Throws `ConfigError` with everything that is wrong. */
export async function loadConfigFromDirectory(
  directory: string,
  environment: Environment,
  extension: ConfigExtension = NO_EXTENSION,
): Promise<LoadedConfig> {
  return loadReading(await readConfigDirectory(directory, extension), directory, environment, extension);
}

/** The same for what was read already. */
export function loadReading(
  reading: ConfigReading,
  directory: string,
  environment: Environment,
  extension: ConfigExtension,
): LoadedConfig {
  const { files, documents, readSecretFile } = reading;
  const cores = countCores();
  const result = loadConfig({ files, documents, extension, environment, readSecretFile, nowMs: Date.now(), cores });
  if (!result.ok) throw new ConfigError(directory, result.problems);
  return result;
}

/**
 * gateway.yaml alone, for who has to know of it before all else is looked at. Null where anything is wrong with it: the
 * start that follows says what.
 */
export async function findGatewayConfig(directory: string, environment: Environment): Promise<GatewayConfig | null> {
  const { text } = await readConfigFile(join(directory, GATEWAY_FILE));
  if (text === null) return null;
  const problems = new Problems();
  const source = parseYaml(GATEWAY_FILE, text, problems);
  if (!source) return null;
  const reader = new SectionReader(source, new Substitution(environment, readSecretFile), problems, new Places());
  const gateway = reader.readFile(GatewayConfig);
  return problems.isEmpty ? gateway : null;
}

async function readConfigFile(path: string): Promise<ConfigFile> {
  let bytes: Buffer;
  try {
    const facts = await stat(path);
    if (!facts.isFile()) return { text: null, fault: 'unreadable' };
    if (facts.size > MAX_FILE_BYTES) return { text: null, fault: 'too_large' };
    bytes = await readFile(path);
  } catch (fault) {
    const isMissing = isObject(fault) && (fault.code === 'ENOENT' || fault.code === 'ENOTDIR');
    return { text: null, fault: isMissing ? 'missing' : 'unreadable' };
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { text: null, fault: 'not_utf8' };
  }
}

const readSecretFile: SecretFileReader = (path) => {
  const text = readSmallFile(path);
  if (text === null) throw new Error(`${path} cannot be read`);
  return text;
};

function readSmallFile(path: string): string | null {
  try {
    const facts = statSync(path);
    return facts.isFile() && facts.size <= MAX_SECRET_BYTES ? readFileSync(path, 'utf8') : null;
  } catch {
    return null;
  }
}
