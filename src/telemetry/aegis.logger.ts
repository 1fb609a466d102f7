import type { LoggerService } from '@nestjs/common';
import pino, { type Logger } from 'pino';

export interface LogSettings {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** `pretty` needs the development dependency pino-pretty; `json` is one line an entry. */
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
  readonly pino: Logger;

  constructor(settings: LogSettings) {
    this.pino = createPino(settings);
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

function createPino({ level, format }: LogSettings): Logger {
  return pino({
    level,
    base: { service: 'aegis' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: describeError },
    ...(format === 'pretty' && {
      transport: {
        target: 'pino-pretty',
        options: { ignore: 'service', translateTime: 'SYS:HH:MM:ss.l', singleLine: true },
      },
    }),
  });
}

/**
 * An error as the log shows it: type, message, code, stack, and the same of its cause. Its other fields stay out:
 * libraries hang requests, headers and query parameters there.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: String(error) };
  return {
    type: error.name,
    message: error.message,
    ...('code' in error && { code: error.code }),
    stack: error.stack,
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  };
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
  if (message instanceof Error) return [fields, message.message];
  return [fields, typeof message === 'string' ? message : JSON.stringify(message)];
}
