import { createHash } from 'node:crypto';
import { type ConfigExtension, type DocumentFiles, type Documents, NO_EXTENSION } from './extension.js';
import {
  CONFIG_FILE_NAMES,
  type ConfigFileName,
  type ConfigFiles,
  type Environment,
  type SecretFileReader,
} from './files.js';
import { deepFreeze, sealMap } from './freeze.js';
import { Places } from './places.js';
import { type Problem, Problems, wholeFile } from './problem.js';
import { keepRunningValues } from './restart.js';
import { checkGateway } from './rules/gateway.rules.js';
import { buildModels } from './rules/model.rules.js';
import { findPriceWarnings } from './rules/price.warnings.js';
import { buildPricing } from './rules/pricing.rules.js';
import { buildProviders } from './rules/provider.rules.js';
import { GatewayConfig } from './schema/gateway.config.js';
import { ModelsFile } from './schema/models.config.js';
import { PricingFile } from './schema/pricing.config.js';
import { ProvidersFile } from './schema/providers.config.js';
import type { SettingsClass } from './schema/setting.js';
import { SectionReader } from './section.reader.js';
import type { ConfigSnapshot } from './snapshot.js';
import { Substitution } from './substitution.js';
import { countWorkers } from './workers.js';
import { parseYaml } from './yaml-document.js';

const VERSION_LENGTH = 12;

/** The class that each file is read into. */
export const FILE_CLASSES = {
  'gateway.yaml': GatewayConfig,
  'providers.yaml': ProvidersFile,
  'models.yaml': ModelsFile,
  'pricing.yaml': PricingFile,
} as const satisfies Record<ConfigFileName, SettingsClass>;

const FILE_FAULTS = {
  missing: 'the file is missing',
  unreadable: 'the file cannot be read',
  not_utf8: 'the file is not UTF-8 text',
  too_large: 'the file is too large',
} as const;

export interface LoadInput {
  readonly files: ConfigFiles;
  /** The extension's files. */
  readonly documents?: DocumentFiles;
  readonly extension?: ConfigExtension;
  readonly environment: Environment;
  readonly readSecretFile: SecretFileReader;
  /** Stamps the snapshot and tells how old prices are, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Cores of this machine, for what is to be chosen by them; 1 where absent. */
  readonly cores?: number;
  /** The configuration that runs already; its ports, stores and pepper are kept. */
  readonly running?: GatewayConfig;
}

export interface LoadedConfig {
  readonly ok: true;
  readonly snapshot: ConfigSnapshot;
  /** Valid, and yet perhaps not what was meant. */
  readonly warnings: readonly Problem[];
  /** Keys whose new values wait for a restart. */
  readonly pendingRestart: readonly string[];
  /** The files that `${file:…}` named. */
  readonly secretFiles: readonly string[];
}

export interface RefusedConfig {
  readonly ok: false;
  /** Everything that is wrong; at least one. */
  readonly problems: readonly Problem[];
  readonly secretFiles: readonly string[];
}

/** The four files, and the extension's → one immutable snapshot, or all that is wrong with them. Pure, and throws nothing. */
export function loadConfig(input: LoadInput): LoadedConfig | RefusedConfig {
  const problems = new Problems();
  const places = new Places();
  const substitution = new Substitution(input.environment, input.readSecretFile);
  const production = input.environment.NODE_ENV === 'production';

  const read = <T extends object>(name: ConfigFileName, type: SettingsClass<T>): T | undefined => {
    const file = input.files[name];
    if (file.text === null) {
      problems.add(wholeFile(name), FILE_FAULTS[file.fault]);
      return undefined;
    }
    const source = parseYaml(name, file.text, problems);
    return source && new SectionReader(source, substitution, problems, places).readFile(type);
  };

  const gateway = read('gateway.yaml', GatewayConfig);
  const providersFile = read('providers.yaml', ProvidersFile);
  const models = read('models.yaml', ModelsFile);
  const pricingFile = read('pricing.yaml', PricingFile);

  const { extension = NO_EXTENSION } = input;
  const documents = readDocuments(input, problems);
  const ownWarnings: Problem[] = [];
  if (gateway && documents) {
    extension.check(gateway, documents, {
      problem: (section, field, message) => problems.add(places.of(section, field), message),
      warn: (section, field, message) => ownWarnings.push({ place: places.of(section, field), message }),
      documentProblem: (fileName, { line, message }) => problems.add({ ...wholeFile(fileName), line }, message),
    });
  }

  if (gateway) checkGateway(gateway, places, problems, production);
  const { routing } = gateway ?? new GatewayConfig();
  // Another number of workers waits for a restart: those that run share the places.
  const { server } = input.running ?? gateway ?? new GatewayConfig();
  const workers = countWorkers(server, input.cores ?? 1);
  const providers = providersFile && buildProviders(providersFile, { routing, places, problems, production, workers });
  const routes = models && buildModels(models, { providers, places, problems });
  const pricing = pricingFile && buildPricing(pricingFile, providers, places, problems);

  const { secretFiles } = substitution;
  if (!(gateway && documents && providers && models && routes && pricingFile && pricing) || !problems.isEmpty) {
    return { ok: false, problems: problems.all, secretFiles };
  }
  const { nowMs } = input;
  const warnings = [
    ...ownWarnings,
    ...findPriceWarnings({ cost: gateway.cost, models, pricingFile, pricing, nowMs }, places),
  ];
  const pendingRestart = input.running ? keepRunningValues(gateway, input.running) : [];
  const frozen = deepFreeze({
    version: versionOf(input),
    loadedAtMs: nowMs,
    gateway,
    providers: new Map([...providers].flatMap(([name, provider]) => (provider ? [[name, provider] as const] : []))),
    models: routes,
    pricing,
  });
  const snapshot = Object.freeze({ ...frozen, documents });
  return { ok: true, snapshot, warnings, pendingRestart, secretFiles };
}

/** What the extension makes of its files; undefined, with problems, where one of them is wrong. */
function readDocuments(
  { documents = {}, extension = NO_EXTENSION }: LoadInput,
  problems: Problems,
): Documents | undefined {
  const values = new Map<string, unknown>();
  for (const reader of extension.documents) {
    const { fileName } = reader;
    const file = documents[fileName] ?? { text: null, fault: 'missing' };
    const mayBeMissing = reader.shippedFile === null;
    if (file.text === null && !(mayBeMissing && file.fault === 'missing')) {
      problems.add(wholeFile(fileName), FILE_FAULTS[file.fault]);
      continue;
    }
    const { value, problems: found } = reader.read(file.text);
    for (const { line, message } of found) problems.add({ ...wholeFile(fileName), line }, message);
    if (found.length === 0) values.set(fileName, value);
  }
  return values.size === extension.documents.length ? sealMap(values) : undefined;
}

/** Names the files' content. What `${…}` stands for is not part of it: a hash of it could be tried out. */
function versionOf({ files, documents = {} }: LoadInput): string {
  const hash = createHash('sha256');
  const all = [...CONFIG_FILE_NAMES.map((name) => [name, files[name]] as const), ...Object.entries(documents)];
  for (const [name, file] of all) {
    const text = file.text ?? '';
    hash.update(`${name}\0${Buffer.byteLength(text)}\0${text}`);
  }
  return hash.digest('hex').slice(0, VERSION_LENGTH);
}
