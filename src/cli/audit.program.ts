import type { Command } from 'commander';
import {
  exportRecords,
  generateAuditKey,
  printPublicKey,
  proveRecord,
  purgeRecords,
  verifyRecords,
} from './audit.command.js';

type Options = Record<string, unknown>;

/** `aegis audit …`. */
export function addAudit(program: Command): void {
  const audit = program.command('audit').description('what was decided, and the proof that nobody changed it');
  audit
    .command('verify [file]')
    .description('verify the audit in PostgreSQL, or an export, and name the first bad record')
    .option('--from <date>', 'records from then on, e.g. 2027-01-31 or 2027-01-31T12:00:00Z')
    .option('--to <date>', 'records before')
    .option('--public-key <files...>', 'trust these keys (PEM) and no others; else those of the configuration')
    .option(
      '--accept-unsigned',
      'of an export without a signed manifest: what is there is enough, whatever was left out',
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExit code: 0 the audit is whole, 2 it is not, 1 it cannot be said.')
    .action((file: string | undefined, options: Options) => verifyRecords(file, options));
  audit
    .command('export')
    .description('print what is sealed as JSON Lines, to be verified anywhere')
    .option('--from <date>', 'records from then on')
    .option('--to <date>', 'records before')
    .option('--output <file>', 'write to this file')
    .action((options: Options) => exportRecords(options));
  audit
    .command('prove <event>')
    .description('print the proof that an event, given as WRITER:NUMBER or by the id of its request, was sealed')
    .action((reference: string) => proveRecord(reference));
  audit
    .command('purge')
    .description('remove records that are sealed and old; the rest stays provable')
    .option('--before <date>', 'records before (required)')
    .option('--json', 'print one JSON object')
    .action((options: Options) => purgeRecords(options));
  audit
    .command('keygen')
    .description('make a key to seal the audit with')
    .option('--output <file>', 'the private key; the public one gets .pub behind it (required)')
    .option('--if-missing', 'leave a key that is there as it is')
    .option('--json', 'print one JSON object')
    .action((options: Options) => generateAuditKey(options));
  audit
    .command('public-key')
    .description('print the public key of the configured one')
    .action(() => printPublicKey());
}
