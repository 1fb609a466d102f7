import type { LoggerService } from '@nestjs/common';
import type { Counter } from 'prom-client';

export type ExportSignal = 'traces' | 'metrics';

/** Counts what is sent, and says once that it is not, until it is again. */
export class ExportWatch {
  private isFailing = false;

  constructor(
    private readonly logger: Pick<LoggerService, 'warn' | 'log'>,
    private readonly exports: Counter,
  ) {}

  /** @param problem null where the batch was taken */
  report(signal: ExportSignal, problem: Error | null): void {
    this.exports.inc({ signal, outcome: problem ? 'failure' : 'success' });
    if (problem && !this.isFailing) {
      this.logger.warn(
        `The OTLP endpoint takes no ${signal}: ${describe(problem)}. Requests go on; what cannot be sent is lost.`,
      );
    } else if (!problem && this.isFailing) {
      this.logger.log('The OTLP endpoint takes telemetry again');
    }
    this.isFailing = problem !== null;
  }
}

/** Of a failed connection its code only, of an answer its status: its body is somebody else's text. */
function describe(problem: Error): string {
  const code: unknown = 'code' in problem ? problem.code : undefined;
  if (typeof code === 'number') return `it answered ${code}`;
  return typeof code === 'string' ? code : problem.name;
}
