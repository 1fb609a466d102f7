import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { SigningKeyError } from './audit/signing-key.js';
import { startGateway } from './bootstrap.js';
import { checkConfiguration } from './cli/config-check.js';
import { ConfigError } from './config/config.error.js';

/**
 * Runs the gateway until it is told to stop: SIGTERM and SIGINT drain and exit 0, a second one exits at once. Exits 1
 * where it cannot start, saying everything that is wrong with the configuration.
 */
export async function serve(): Promise<void> {
  // What has survived often is made among the old by V8 from then on. Of a request nearly nothing survives, but once
  // one kind of its objects is taken for lasting, whatever they point to is kept with them: each request then leaves
  // 30 KB to the next full collection, and copying that takes a fifth of the processor's time.
  setFlagsFromString('--no-allocation-site-pretenuring');
  try {
    const gateway = await startGateway();
    gateway.logger.pino.info({ url: gateway.url, metricsUrl: gateway.metricsUrl }, 'gateway is listening');
    let signalled = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (signalled) process.exit(1);
      signalled = true;
      gateway.logger.pino.info({ signal }, 'shutting down');
      gateway.shutDown().then(
        () => process.exit(0),
        (problem: unknown) => {
          gateway.logger.pino.error({ error: problem }, 'shutdown failed');
          process.exit(1);
        },
      );
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    // A fault that no request owns. The others go on being served; the log says what to mend.
    process.on('unhandledRejection', (problem) => gateway.logger.pino.error({ error: problem }, 'unhandled rejection'));
    process.on('uncaughtException', (problem) => gateway.logger.pino.error({ error: problem }, 'uncaught exception'));
  } catch (problem) {
    process.stderr.write(`${await describeStartFailure(problem)}\n`);
    process.exit(1);
  }
}

async function describeStartFailure(problem: unknown): Promise<string> {
  // The start stops at the first part that is wrong; who has to mend it wants to know all of them.
  if (problem instanceof ConfigError) {
    const { problems } = await checkConfiguration(process.env);
    return problems.length > 0 ? problems.join('\n') : problem.message;
  }
  if (isPortTaken(problem)) {
    return `Port ${problem.port} is in use. Set GATEWAY_PORT (or METRICS_PORT) to a free one, or stop what listens there.`;
  }
  if (problem instanceof SigningKeyError) return problem.message;
  return problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
}

function isPortTaken(problem: unknown): problem is Error & { port: number } {
  return problem instanceof Error && 'code' in problem && problem.code === 'EADDRINUSE' && 'port' in problem;
}

const entry = process.argv[1];
if (entry !== undefined && realpathSync(entry) === fileURLToPath(import.meta.url)) await serve();
