import type { LoggerService } from '@nestjs/common';

/** What a command's parts have to say, for the person at the terminal. Standard output belongs to the result. */
export class StderrLogger implements LoggerService {
  log(): void {
    // Progress of the parts is no news to who runs a command.
  }

  warn(message: unknown): void {
    process.stderr.write(`${String(message)}\n`);
  }

  /** What keeps a command from starting is thrown too, and said where it is caught. */
  error(message: unknown, ...details: unknown[]): void {
    if (details.at(-1) !== 'ExceptionHandler') process.stderr.write(`${String(message)}\n`);
  }
}
