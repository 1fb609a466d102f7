import { Cluster, type ClusterNode, type ClusterOptions, type Command, Redis, type RedisOptions } from 'ioredis';
import { bearSecondErrors, ConnectionProblems, explainRefresher, explainSentinels } from './connection-problems.js';
import { Patience } from './patience.js';

/**
 * A Redis connection on which no command waits for ever. The driver's own `commandTimeout` looks at the clock before it
 * reads what has arrived: a process that was busy for as long takes a Redis that answered at once for one that is away.
 */
export class PatientClient extends Redis {
  constructor(
    options: RedisOptions,
    private readonly patienceMs: number,
  ) {
    super(options);
    bearSecondErrors(this);
    explainSentinels(this);
  }

  override sendCommand(command: Command, ...rest: ParametersAfterFirst<Redis['sendCommand']>): unknown {
    watch(command, this.patienceMs);
    return super.sendCommand(command, ...rest);
  }
}

/** The same for a cluster: however many nodes a command is sent on to, it waits no longer. */
export class PatientCluster extends Cluster {
  private readonly problems = new ConnectionProblems('no node of the cluster can be asked');

  constructor(
    nodes: ClusterNode[],
    options: ClusterOptions,
    private readonly patienceMs: number,
  ) {
    super(nodes, options);
    this.on('+node', (node: Redis) => {
      bearSecondErrors(node);
      explainRefresher(node, this.problems);
    });
    this.on('node error', ({ message }: Error) => this.problems.note(message));
    this.on('refresh', () => this.problems.clear());
    // Where a node tells of others that cannot be reached, the driver says nothing at all.
    this.prependListener('close', () => {
      if (this.problems.areKnown) this.emit('error', new Error('closed'));
    });
  }

  override emit(event: string | symbol, ...parameters: unknown[]): boolean {
    const [error] = parameters;
    if (event !== 'error' || !(error instanceof Error)) return super.emit(event, ...parameters);
    return super.emit(event, this.problems.explain(error));
  }

  override sendCommand(command: Command, ...rest: ParametersAfterFirst<Cluster['sendCommand']>): unknown {
    watch(command, this.patienceMs);
    return super.sendCommand(command, ...rest);
  }
}

function watch(command: Command, patienceMs: number): void {
  const patience = new Patience(patienceMs, () => command.reject(new Error(`no answer within ${patienceMs} ms`)));
  const cancel = (): void => patience.cancel();
  command.promise.then(cancel, cancel);
}

type ParametersAfterFirst<T> = T extends (first: never, ...rest: infer R) => unknown ? R : never;
