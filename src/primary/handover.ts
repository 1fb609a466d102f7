import type { ChildProcess } from 'node:child_process';
import type { Worker } from 'node:cluster';

const LOOK_MS = 5;
const MOST_LOOKS = 200;

type Send = (message: unknown, ...rest: unknown[]) => boolean;

/** How cluster hands a connection over, and how the worker says that it has it. */
interface ClusterMessage {
  readonly act?: unknown;
  readonly seq?: unknown;
  readonly ack?: unknown;
}

/**
 * Sees to it that no connection is lost on its way to a worker that dies before it has taken it: cluster waits for ever to
 * be told, and so would the client. What such a worker did not take is given back, as if it had refused it; the next
 * one gets it. Nothing of it was read by then.
 */
export function giveBackUntaken(worker: Worker): void {
  const child: ChildProcess = worker.process;
  const untaken = new Set<number>();
  const send: Send = child.send.bind(child) as Send;
  const watched: Send = (message, ...rest) => {
    const { act, seq } = message as ClusterMessage;
    if (act === 'newconn' && typeof seq === 'number') untaken.add(seq);
    return send(message, ...rest);
  };
  Object.assign(child, { send: watched });
  child.on('internalMessage', ({ ack }: ClusterMessage) => {
    if (typeof ack === 'number') untaken.delete(ack);
  });
  const giveBack = (): void => {
    for (const ack of untaken) child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: false });
    untaken.clear();
  };
  let looks = 0;
  // Until all that it said has been read it may yet say that it has them. No event tells of the end of that where
  // something is on its way.
  const waitForEnd = (): void => {
    if (child.connected && ++looks < MOST_LOOKS) setTimeout(waitForEnd, LOOK_MS);
    else setImmediate(giveBack);
  };
  child.once('exit', waitForEnd);
}
