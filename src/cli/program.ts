import { Command, Option } from 'commander';
import { addAudit } from './audit.program.js';
import { listBudgets, setBudget } from './budgets.command.js';
import { withEnvironment } from './cli.context.js';
import { getValidConfiguration } from './config-check.js';
import { explain } from './explain.command.js';
import { scanFile } from './filter-scan.command.js';
import { testRules } from './filter-test.command.js';
import { generateKey } from './keygen.command.js';
import { listKeys, revokeKey, rotateKey, showKey, updateKey } from './keys.command.js';
import { migrate } from './migrate.command.js';
import { reconcile } from './reconcile.command.js';

/** The command line, unparsed. Each action throws what went wrong; `main` says it. */
export function buildProgram(): Command {
  const program = new Command('aegis')
    .description('A governed, OpenAI-compatible gateway. Reads its configuration from AEGIS_CONFIG_DIR, else config/.')
    .exitOverride()
    .showHelpAfterError('Try: aegis --help');

  program
    .command('serve')
    .description('run the gateway')
    .action(async () => {
      const { serve } = await import('../main.js');
      await serve();
    });

  addKeyCommands(program);
  addBudgetCommands(program);
  addExplain(program);
  addReconcile(program);
  addAudit(program);
  addFilterCommands(program);

  program
    .command('migrate')
    .description('bring the database up to date')
    .option('--revert', 'revert the last migration instead')
    .option('--reset', 'remove all data and start anew (refused in production)')
    .option('--yes', 'with --reset: also where the database is not the embedded one')
    .action((options: Record<string, unknown>) => migrate(options));

  program
    .command('config')
    .description('look at the configuration')
    .command('check')
    .description('say everything that is wrong with the configuration, or that nothing is')
    .action(() =>
      withEnvironment(async () => {
        const { snapshot, warnings } = await getValidConfiguration(process.env);
        const { version, models, providers } = snapshot;
        for (const warning of warnings) process.stderr.write(`Warning: ${warning}\n`);
        process.stdout.write(
          `The configuration is valid: version ${version}, ${models.size} models, ${providers.size} providers.\n`,
        );
      }),
    );
  return program;
}

function addReconcile(program: Command): void {
  program
    .command('reconcile')
    .description(
      'prove that the ledger has what the journal on this machine holds, each request once, and that budgets count the same',
    )
    .option('--from <date>', 'requests that began then or later, e.g. 2027-01-31 or 2027-01-31T12:00:00Z')
    .option('--to <date>', 'requests that began before')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExit code: 0 they agree, 2 they do not, 1 it cannot be said.')
    .action((options: Record<string, unknown>) => reconcile(options));
}

function addExplain(program: Command): void {
  program
    .command('explain')
    .description('say which targets would serve a request, and why the others would not; calls nobody')
    .option('--model <alias>', 'the model that is asked for (required)')
    .option('--classification <level>', 'the level of the data (default INTERNAL, or where the key starts)')
    .option('--key <key>', "with this key's limits; given by its prefix or id, looked up in the database")
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExit code: 0 somebody would be called, 2 nobody would, 1 it cannot be said.')
    // What is wrong here must not look like an answer: 2 is one.
    .allowUnknownOption()
    .allowExcessArguments()
    .showHelpAfterError(false)
    .exitOverride((error) => {
      throw error.exitCode === 0 ? error : new Error('Try: aegis explain --help');
    })
    .action((options: Record<string, unknown>, command: Command) => explain(options, command.args));
}

function addFilterCommands(program: Command): void {
  const filter = program.command('filter').description('try what the content filter finds');
  filter
    .command('scan <file>')
    .description('say what would be found in a file, or with - in what comes in; never shows what it is')
    .option('--classification <level>', 'as in a request of this level (default INTERNAL)')
    .option('--json', 'print one JSON array')
    .addHelpText('after', '\nExit code: 0 nothing was found, 1 something was, 2 it cannot be said.')
    .action((file: string, options: Record<string, unknown>) => scanFile(file, options));
  filter
    .command('test')
    .description("try the examples of all rules: the configuration's own, and the shipped ones where it has none")
    .addHelpText('after', '\nExit code: 0 all are as they should be, 1 some are not.')
    .action(() => testRules());
}

function addKeyCommands(program: Command): void {
  program
    .command('keygen')
    .description('make an API key and show it once')
    .option('--org <name>', 'organization; made where it is new (required)')
    .option('--team <name>', 'team in it; made where it is new (required)')
    .option('--name <name>', 'what the key is for (required)')
    .option('--user <name>', 'whose key it is')
    .option('--env <env>', 'part of the key that says where it belongs, e.g. dev or prod')
    .option('--classification <level>', 'highest level of data the key may send (default INTERNAL)')
    .option('--default-classification <level>', 'level a request starts at (default INTERNAL)')
    .option('--models <aliases>', 'models it may use, e.g. aegis-fast,aegis-smart (default all; "" for none)')
    .option('--rpm <number>', 'requests a minute')
    .option('--tpm <number>', 'tokens a minute')
    .option('--max-parallel <number>', 'requests at a time')
    .option('--budget-usd <amount>', 'what it may spend in a window, e.g. 25.50')
    .option('--budget-window <window>', 'day or month, UTC (default month)')
    .option('--allow-explain', 'it may ask how requests are routed (X-Aegis-Explain)')
    .option('--expires <when>', 'a duration such as 30d, or a date such as 2027-01-31')
    .option('--json', 'print one JSON object and nothing else')
    // Mistyped options are reported together with what else is wrong.
    .allowUnknownOption()
    .allowExcessArguments()
    .action((options: Record<string, unknown>, command: Command) => generateKey(options, command.args));

  const keys = program.command('keys').description('manage API keys');
  keys
    .command('list')
    .description('all keys, newest first')
    .option('--org <name>', 'of this organization')
    .option('--team <name>', 'of this team')
    .option('--json', 'print one JSON array')
    .action((options: Record<string, unknown>) => listKeys(options));
  keys
    .command('show <key>')
    .description('everything that may be shown of a key, given by its id, its prefix or itself')
    .option('--json', 'print one JSON object')
    .action((reference: string, options: Record<string, unknown>) => showKey(reference, options));
  keys
    .command('update <key>')
    .description('change what a key may do; what is not given stays')
    .option('--name <name>', 'what the key is for')
    .option('--user <name>', 'whose key it is, or none')
    .option('--classification <level>', 'highest level of data the key may send')
    .option('--default-classification <level>', 'level a request starts at')
    .option('--models <aliases>', 'models it may use, or all; "" for none')
    .option('--rpm <number>', 'requests a minute, or none')
    .option('--tpm <number>', 'tokens a minute, or none')
    .option('--max-parallel <number>', 'requests at a time, or none')
    .option('--budget-usd <amount>', 'what it may spend in a window, or none')
    .option('--budget-window <window>', 'day or month, UTC')
    .option('--expires <when>', 'a duration such as 30d, a date such as 2027-01-31, or none')
    .option('--allow-explain', 'it may ask how requests are routed')
    .option('--no-allow-explain', 'it may not')
    .option('--json', 'print one JSON object')
    .action((reference: string, options: Record<string, unknown>) => updateKey(reference, options));
  keys
    .command('revoke <key>')
    .description('end a key, given by its id, its prefix or itself')
    .option('--reason <text>', 'kept with the key')
    .option('--json', 'print one JSON object')
    .action((reference: string, options: Record<string, unknown>) => revokeKey(reference, options));
  keys
    .command('rotate <key>')
    .description('make a key like this one in its place')
    .option('--overlap <duration>', 'how long the old one still works, e.g. 24h (default not at all)')
    .addOption(new Option('--grace <duration>', 'the same').hideHelp())
    .option('--json', 'print one JSON object')
    .action((reference: string, options: Record<string, unknown>) => rotateKey(reference, options));
}

function addBudgetCommands(program: Command): void {
  const budgets = program.command('budgets').description('say what teams and organizations may spend');
  budgets
    .command('set')
    .description('what all keys of a team, or of an organization, may spend together')
    .option('--org <name>', 'organization (required)')
    .option('--team <name>', 'team in it; the organization itself where absent')
    .option('--usd <amount>', 'e.g. 250 or 99.50; none for no limit (required)')
    .option('--window <window>', 'day or month, UTC (default month)')
    .option('--json', 'print one JSON object')
    .action((options: Record<string, unknown>) => setBudget(options));
  budgets
    .command('list')
    .description('all budgets of teams and organizations')
    .option('--json', 'print one JSON array')
    .action((options: Record<string, unknown>) => listBudgets(options));
}
