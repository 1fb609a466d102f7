#!/usr/bin/env node
import 'reflect-metadata';
import { CommanderError } from 'commander';
import { ConfigError } from '../config/config.error.js';
import { InputError } from './input.js';
import { buildProgram } from './program.js';

/** What was asked for cannot be done. */
const FAILURE = 1;
/** What was asked for is not clear. */
const WRONG_USAGE = 2;

try {
  await buildProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Says what went wrong on standard error; the exit code. */
function report(error: unknown): number {
  // The parser has said it already; asking for help is none.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE;
  if (error instanceof InputError) {
    process.stderr.write(`${error.problems.join('\n')}\n`);
    return WRONG_USAGE;
  }
  if (error instanceof ConfigError || !process.env.DEBUG) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  } else {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  }
  return FAILURE;
}
