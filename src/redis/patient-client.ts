import { type Command, Redis, type RedisOptions } from 'ioredis';
import { Patience } from './patience.js';

/**
 * A Redis connection on which no command waits for ever. The driver's own `commandTimeout` looks at the clock before it
 * reads what has arrived: a process that was busy for as long takes a Redis that answered at once for one that is away.
 */
export class PatientClient extends Redis {
  constructor(
    url: string,
    options: RedisOptions,
    private readonly patienceMs: number,
  ) {
    super(url, options);
  }

  override sendCommand(command: Command, ...rest: ParametersAfterFirst<Redis['sendCommand']>): unknown {
    const patience = new Patience(this.patienceMs, () =>
      command.reject(new Error(`no answer within ${this.patienceMs} ms`)),
    );
    const cancel = (): void => patience.cancel();
    command.promise.then(cancel, cancel);
    return super.sendCommand(command, ...rest);
  }
}

type ParametersAfterFirst<T> = T extends (first: never, ...rest: infer R) => unknown ? R : never;
