import type { LoggerService } from '@nestjs/common';
import pino, { type DestinationStream, type Logger, type LoggerOptions } from 'pino';
import { describeError } from './error-description.js';

export interface LogSettings {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** `pretty` needs the development dependency pino-pretty, else it is `json`: one line an entry. */
  readonly format: 'json' | 'pretty';
}

/** Parts of Nest that talk about themselves at every start; worth a line only to somebody who looks for it. */
const FRAMEWORK_CONTEXTS = new Set([
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestFactory',
  'NestApplication',
]);

/** The process's log on standard output: one JSON line an entry, and the place Nest's own `Logger` ends up in. */
export class AegisLogger implements LoggerService {
  /** Another one after a change of the format: ask for it at each entry. */
  pino: Logger;

  /**
   * @param destination where `json` goes in the place of standard output
   * @param fields of every entry
   */
  constructor(
    private settings: LogSettings,
    private readonly destination?: DestinationStream,
    private readonly fields: object = {},
  ) {
    this.pino = createPino(settings, destination, fields);
  }

  /** From the next entry on. */
  apply(settings: LogSettings): void {
    const { level, format } = this.settings;
    this.settings = settings;
    if (settings.format !== format) this.pino = createPino(settings, this.destination, this.fields);
    else if (settings.level !== level) this.pino.level = settings.level;
  }

  log(message: unknown, ...details: unknown[]): void {
    const [fields, text] = toEntry(message, details);
    if (FRAMEWORK_CONTEXTS.has(fields.context ?? '')) this.pino.debug(fields, text);
    else this.pino.info(fields, text);
  }

  warn(message: unknown, ...details: unknown[]): void {
    this.pino.warn(...toEntry(message, details));
  }

  error(message: unknown, ...details: unknown[]): void {
    this.pino.error(...toEntry(message, details));
  }

  fatal(message: unknown, ...details: unknown[]): void {
    this.pino.fatal(...toEntry(message, details));
  }

  debug(message: unknown, ...details: unknown[]): void {
    this.pino.debug(...toEntry(message, details));
  }

  verbose(message: unknown, ...details: unknown[]): void {
    this.pino.trace(...toEntry(message, details));
  }
}

/** What is logged together waits this long for company, or until it is this much. A process that exits writes it first. */
const GATHER_MS = 50;
const GATHER_BYTES = 8_192;
let standardOutput: DestinationStream | null = null;

/** A write of its own for each line costs the gateway more than making the line. */
function gatherForStandardOutput(): DestinationStream {
  standardOutput ??= pino.destination({ sync: false, minLength: GATHER_BYTES, periodicFlush: GATHER_MS });
  return standardOutput;
}

function createPino(
  { level, format }: LogSettings,
  destination: DestinationStream | undefined,
  fields: object,
): Logger {
  const options: LoggerOptions = {
    level,
    base: { service: 'aegis', ...fields },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
  };
  const pretty = format === 'pretty' ? findPrettyPino(options) : null;
  return pretty ?? pino(options, destination ?? gatherForStandardOutput());
}

/** Null where pino-pretty is not installed, as in production: a reload that asks for it must not end the process. */
function findPrettyPino(options: LoggerOptions): Logger | null {
  const transport = {
    target: 'pino-pretty',
    options: { ignore: 'service', translateTime: 'SYS:HH:MM:ss.l', singleLine: true },
  };
  try {
    return pino({ ...options, transport });
  } catch {
    return null;
  }
}

/** Nest passes the context last, and an error's stack before it. */
function toEntry(message: unknown, details: unknown[]): [{ context?: string; error?: Error; stack?: string }, string] {
  const context = details.at(-1);
  const stack = details.length > 1 ? details[0] : undefined;
  const fields = {
    ...(typeof context === 'string' && { context }),
    ...(typeof stack === 'string' && { stack }),
    ...(message instanceof Error && { error: message }),
  };
  if (message instanceof Error) return [fields, describeError(message).message];
  return [fields, typeof message === 'string' ? message : JSON.stringify(message)];
}
