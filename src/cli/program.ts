import { Command } from 'commander';
import { withEnvironment } from './cli.context.js';
import { getValidConfiguration } from './config-check.js';
import { explain } from './explain.command.js';
import { generateKey } from './keygen.command.js';
import { listKeys, revokeKey, rotateKey } from './keys.command.js';
import { migrate } from './migrate.command.js';

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
  addExplain(program);

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
        const { version, models, providers } = await getValidConfiguration(process.env);
        process.stdout.write(
          `The configuration is valid: version ${version}, ${models.size} models, ${providers.size} providers.\n`,
        );
      }),
    );
  return program;
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
    .command('revoke <key>')
    .description('end a key, given by its id, its prefix or itself')
    .option('--reason <text>', 'kept with the key')
    .option('--json', 'print one JSON object')
    .action((reference: string, options: Record<string, unknown>) => revokeKey(reference, options));
  keys
    .command('rotate <key>')
    .description('make a key like this one in its place')
    .option('--grace <duration>', 'how long the old one still works, e.g. 24h (default not at all)')
    .option('--json', 'print one JSON object')
    .action((reference: string, options: Record<string, unknown>) => rotateKey(reference, options));
}
