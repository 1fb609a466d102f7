import type { Socket } from 'node:net';
import { Roster } from '../domain/roster.js';

const waiting = new WeakMap<Socket, Roster<() => void>>();

/**
 * Calls `callback` when a connection closes. Returns how to take that back, once. A connection gets one listener however
 * many requests a client sends on it ahead of their answers.
 */
export function whenSocketCloses(socket: Socket, callback: () => void): () => void {
  let callbacks = waiting.get(socket);
  if (callbacks === undefined) {
    const fresh = new Roster<() => void>();
    socket.once('close', () => {
      for (const call of fresh.list()) call();
    });
    waiting.set(socket, fresh);
    callbacks = fresh;
  }
  return callbacks.enter(callback);
}
