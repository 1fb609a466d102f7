import type { Socket } from 'node:net';

const waiting = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls `callback` when a connection closes. Returns how to take that back. A connection gets one listener however
 * many requests a client sends on it ahead of their answers.
 */
export function whenSocketCloses(socket: Socket, callback: () => void): () => void {
  let callbacks = waiting.get(socket);
  if (callbacks === undefined) {
    const fresh = new Set<() => void>();
    socket.once('close', () => {
      for (const call of [...fresh]) call();
    });
    waiting.set(socket, fresh);
    callbacks = fresh;
  }
  const registered = callbacks;
  registered.add(callback);
  return () => registered.delete(callback);
}
