import type { ConfigFile } from './files.js';
import type { GatewayConfig } from './schema/gateway.config.js';

/** What is wrong with a document. */
export interface DocumentProblem {
  /** Counts from 1; 0 = the file as a whole. */
  readonly line: number;
  readonly message: string;
}

export interface ReadDocument {
  /** What the snapshot carries under the file's name. Not frozen: it must be made so that nobody can change it. */
  readonly value: unknown;
  readonly problems: readonly DocumentProblem[];
}

/** A file of the configuration's folder that another room makes sense of. */
export interface DocumentReader {
  readonly fileName: string;
  /** The file that is read where the folder has none of that name; null: then there is none. */
  readonly shippedFile: string | null;
  /** The file's text, null where there is none. Pure; the same text should give the same value, so that it is known again. */
  read(text: string | null): ReadDocument;
}

/** What each registered file held, by its name. */
export type Documents = ReadonlyMap<string, unknown>;

/** Takes problems and warnings about settings of gateway.yaml; `field` as the class has it, e.g. `rules[0]`. */
export interface SettingsReport {
  problem(section: object, field: string, message: string): void;
  warn(section: object, field: string, message: string): void;
  /** About a document that is right by itself. */
  documentProblem(fileName: string, problem: DocumentProblem): void;
}

/**
 * What a room above adds to the configuration: files of its own, which are watched, checked and swapped together with
 * the others, and what it knows about its settings in gateway.yaml. The configuration's floor knows neither.
 */
export interface ConfigExtension {
  /** In the order their problems are told in. */
  readonly documents: readonly DocumentReader[];
  /** Called only where all documents are right. */
  check(gateway: GatewayConfig, documents: Documents, report: SettingsReport): void;
}

export const NO_EXTENSION: ConfigExtension = { documents: [], check: () => undefined };

/** The registered files as they were read, by their names; those that may be missing and are have a fault. */
export type DocumentFiles = Readonly<Record<string, ConfigFile>>;
