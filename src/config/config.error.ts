import { formatProblem, type Problem } from './problem.js';

/** A configuration that cannot be used. `message` lists everything that is wrong with it and holds no secret. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(directory: string, problems: readonly Problem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super([`The configuration in ${directory} has ${count}:`, ...problems.map(formatProblem)].join('\n  '));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}
