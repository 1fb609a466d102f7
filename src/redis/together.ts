import { Cluster } from 'ioredis';
import type { RedisClient } from './redis-clients.js';

/** A command's name, then what it is given. */
export type RedisCall = readonly [name: string, ...parameters: (string | number)[]];

/** What became of a call: an error of its own, or what Redis answered. */
export type RedisReply = readonly [error: Error | null, reply: unknown];

/**
 * Sends calls at once and waits for all of them. To one server they travel as one; of a cluster each goes to the node that
 * has its keys.
 */
export async function sendTogether(client: RedisClient, calls: readonly RedisCall[]): Promise<readonly RedisReply[]> {
  if (!(client instanceof Cluster)) return (await client.pipeline(calls.map((call) => [...call])).exec()) ?? [];
  return Promise.all(
    calls.map(async ([name, ...parameters]): Promise<RedisReply> => {
      try {
        return [null, await client.call(name, ...parameters)];
      } catch (error) {
        return [error instanceof Error ? error : new Error(String(error)), null];
      }
    }),
  );
}
