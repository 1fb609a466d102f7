import { SigningKeyError } from './audit/signing-key.js';
import { checkConfiguration } from './cli/config-check.js';
import { ConfigError } from './config/config.error.js';
import { TlsFileError } from './tls/pem-files.js';

/** Why a start failed, for who has to mend it. */
export async function describeStartFailure(problem: unknown): Promise<string> {
  // The start stops at the first part that is wrong; who has to mend it wants to know all of them.
  if (problem instanceof ConfigError) {
    const { problems } = await checkConfiguration(process.env);
    return problems.length > 0 ? problems.join('\n') : problem.message;
  }
  if (isPortTaken(problem)) {
    return `Port ${problem.port} is in use. Set GATEWAY_PORT (or METRICS_PORT) to a free one, or stop what listens there.`;
  }
  if (problem instanceof SigningKeyError || problem instanceof TlsFileError) return problem.message;
  return problem instanceof Error ? (problem.stack ?? problem.message) : String(problem);
}

function isPortTaken(problem: unknown): problem is Error & { port: number } {
  return problem instanceof Error && 'code' in problem && problem.code === 'EADDRINUSE' && 'port' in problem;
}
