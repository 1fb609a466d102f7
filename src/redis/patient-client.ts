import type { Duplex } from 'node:stream';
import { Cluster, type ClusterNode, type ClusterOptions, type Command, Redis, type RedisOptions } from 'ioredis';
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
  }

  override sendCommand(command: Command, ...rest: ParametersAfterFirst<Redis['sendCommand']>): unknown {
    watch(command, this.patienceMs);
    return super.sendCommand(command, ...rest);
  }
}

/** The same for a cluster: however many nodes a command is sent on to, it waits no longer. */
export class PatientCluster extends Cluster {
  constructor(
    nodes: ClusterNode[],
    options: ClusterOptions,
    private readonly patienceMs: number,
  ) {
    super(nodes, options);
    this.on('+node', bearSecondErrors);
  }

  override sendCommand(command: Command, ...rest: ParametersAfterFirst<Cluster['sendCommand']>): unknown {
    watch(command, this.patienceMs);
    return super.sendCommand(command, ...rest);
  }
}

/** A connection over TLS may fail twice, and the driver listens once: nobody would hear the second, and it would be a fault. */
function bearSecondErrors(client: Redis): void {
  const connector = Reflect.get(client, 'connector') as { connect: (...parameters: unknown[]) => Promise<Duplex> };
  const connect = connector.connect.bind(connector);
  connector.connect = async (...parameters) => (await connect(...parameters)).on('error', () => undefined);
}

function watch(command: Command, patienceMs: number): void {
  const patience = new Patience(patienceMs, () => command.reject(new Error(`no answer within ${patienceMs} ms`)));
  const cancel = (): void => patience.cancel();
  command.promise.then(cancel, cancel);
}

type ParametersAfterFirst<T> = T extends (first: never, ...rest: infer R) => unknown ? R : never;
