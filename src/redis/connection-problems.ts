import type { Duplex } from 'node:stream';
import type { Redis, RedisOptions } from 'ioredis';

type Tell = (event: string, error: Error) => void;

/** Parts of the driver that its types keep to themselves. */
interface Connector {
  connect(tell: Tell): Promise<Duplex>;
  /** Of one that asks Sentinels. */
  connectToSentinel?(endpoint: object, options?: RedisOptions): Redis;
}

/**
 * Why the connections failed that the driver makes for itself, to ask where keys are. It says only that all were closed,
 * and a wrong certificate could not be told from a server that is away.
 */
export class ConnectionProblems {
  private readonly reasons = new Set<string>();

  constructor(private readonly what: string) {}

  get areKnown(): boolean {
    return this.reasons.size > 0;
  }

  note(reason: string): void {
    this.reasons.add(reason);
  }

  clear(): void {
    this.reasons.clear();
  }

  /** An error that says all that was noted since the last one. */
  explain(error: Error): Error {
    if (!this.areKnown) return error;
    const message = `${this.what}: ${[...this.reasons].join('; ')}`;
    this.clear();
    return new Error(message, { cause: error });
  }

  /** Notes what becomes of a connection, which must not have begun. */
  hear(connection: Redis): Redis {
    bearSecondErrors(connection);
    return connection.on('error', ({ message }: Error) => this.note(message));
  }
}

/** A connection over TLS may fail twice, and the driver listens once: nobody would hear the second, and it would be a fault. */
export function bearSecondErrors(client: Redis): void {
  const connector = connectorOf(client);
  const connect = connector.connect.bind(connector);
  connector.connect = async (tell) => (await connect(tell)).on('error', () => undefined);
}

/** Where Sentinels are asked: says why none answers. */
export function explainSentinels(client: Redis): void {
  const connector = connectorOf(client);
  const connectToSentinel = connector.connectToSentinel?.bind(connector);
  if (!connectToSentinel) return;
  const problems = new ConnectionProblems('no Sentinel can be asked');
  connector.connectToSentinel = (endpoint, options) =>
    problems.hear(connectToSentinel(endpoint, { ...options, lazyConnect: true }));
  const connect = connector.connect.bind(connector);
  connector.connect = async (tell) => {
    const stream = await connect((event, error) => tell(event, event === 'error' ? problems.explain(error) : error));
    problems.clear();
    return stream;
  };
}

/** Of a cluster's node: the connection beside it on which it is asked who has what. */
export function explainRefresher(node: Redis, problems: ConnectionProblems): void {
  const duplicate = node.duplicate.bind(node);
  node.duplicate = (override) => problems.hear(duplicate({ ...override, lazyConnect: true }));
}

function connectorOf(client: Redis): Connector {
  return Reflect.get(client, 'connector') as Connector;
}
