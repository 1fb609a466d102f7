import { createHash } from 'node:crypto';
import { ReplyError } from 'ioredis';
import { withinPatience } from '../../redis/patience.js';
import type { RedisService } from '../../redis/redis.service.js';
import type { RedisClient } from '../../redis/redis-clients.js';
import { sendTogether } from '../../redis/together.js';

export interface Script {
  readonly source: string;
  readonly digest: string;
}

export const scriptOf = (source: string): Script => ({
  source,
  digest: createHash('sha1').update(source).digest('hex'),
});

interface Call {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly values: readonly (string | number)[];
  resolve(reply: readonly string[]): void;
  reject(reason: unknown): void;
}

/**
 * How long an answer is waited for. Short: a Redis that stops answering may cost a request this much, and only the
 * requests that are waiting at that moment.
 */
const PATIENCE_MS = 45;
/** How long a call that nobody waits for looks for company. */
export const LINGER_MS = 5;

/** Calls of scripts. What nobody waits for travels with what somebody does: together they take one round trip. */
export class ScriptCalls {
  private lingering: Call[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly redis: RedisService) {}

  /** Sends a call now, after all that linger. */
  run(script: Script, keys: readonly string[], values: readonly (string | number)[]): Promise<readonly string[]> {
    const reply = this.add(script, keys, values);
    this.send();
    return reply;
  }

  /** Sends a call with the next that is sent, or by itself if none is for a few milliseconds. */
  runSoon(script: Script, keys: readonly string[], values: readonly (string | number)[]): Promise<readonly string[]> {
    const reply = this.add(script, keys, values);
    this.timer ??= setTimeout(() => this.send(), LINGER_MS);
    return reply;
  }

  private add(script: Script, keys: readonly string[], values: readonly (string | number)[]) {
    return new Promise<readonly string[]>((resolve, reject) => {
      this.lingering.push({ script, keys, values, resolve, reject });
    });
  }

  private send(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const calls = this.lingering;
    this.lingering = [];
    const replies = this.redis.run((client) => withinPatience(sendAll(client, calls), PATIENCE_MS));
    replies.then(
      (outcomes) => {
        for (const [index, call] of calls.entries()) {
          const outcome = outcomes[index];
          if (outcome?.status === 'fulfilled') call.resolve(outcome.value);
          else call.reject(outcome?.reason);
        }
      },
      (error: unknown) => {
        for (const call of calls) call.reject(error);
      },
    );
  }
}

type Outcome = PromiseSettledResult<readonly string[]>;

/** Each call's own outcome: what Redis refuses one of them says nothing of the others. Throws where it does not answer. */
async function sendAll(client: RedisClient, calls: readonly Call[]): Promise<Outcome[]> {
  const replies = await sendTogether(
    client,
    calls.map(({ script, keys, values }) => ['evalsha', script.digest, keys.length, ...keys, ...values]),
  );
  const outcomes = await Promise.allSettled(
    calls.map(async ({ script, keys, values }, index) => {
      const [error, reply] = replies[index] ?? [new Error('Redis did not answer all of a pipeline')];
      if (error === null) return readReply(reply);
      // A Redis that was restarted or flushed knows no script.
      if (!error.message.startsWith('NOSCRIPT')) throw error;
      return readReply(await client.eval(script.source, keys.length, ...keys, ...values));
    }),
  );
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected' && !(outcome.reason instanceof ReplyError)) throw outcome.reason;
  }
  return outcomes;
}

const readReply = (reply: unknown): readonly string[] => (Array.isArray(reply) ? reply.map(String) : []);
