import pg from 'pg';
import type { DatabaseAccess } from './database-access.js';

/**
 * A PostgreSQL connection on which no query waits for ever. The driver's own `query_timeout` gives the connection back
 * to the pool with the query still running on it; here the socket is destroyed, so that the pool drops it.
 *
 * The limit is kept on this side alone: a frozen server or a black hole enforces none, and poolers such as PgBouncer
 * refuse connections that set `statement_timeout`.
 */
export function buildDeadlineClient(queryTimeoutMs: number, access: DatabaseAccess): typeof pg.Client {
  return class DeadlineClient extends pg.Client {
    constructor(options?: string | pg.ClientConfig) {
      super({ ...(typeof options === 'string' ? {} : options), ...access.forConnection() });
      const send = super.query.bind(this) as (...parameters: unknown[]) => unknown;
      this.query = ((...parameters: unknown[]) => {
        const answer = send(...parameters);
        if (answer instanceof Promise) this.#limit(answer);
        return answer;
      }) as pg.Client['query'];
    }

    #limit(answer: Promise<unknown>): void {
      const timer = setTimeout(() => {
        this.connection.stream.destroy(new Error(`PostgreSQL did not answer within ${queryTimeoutMs} ms`));
      }, queryTimeoutMs);
      const clear = (): void => clearTimeout(timer);
      answer.then(clear, clear);
    }
  };
}
