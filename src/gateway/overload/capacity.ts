import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { OverloadConfig } from '../../config/schema/overload.config.js';

/** For journals, stores, logs and the probes' own connections. */
const RESERVED_DESCRIPTORS = 256;
/** What an open request or stream takes, with room to spare; bodies are counted by themselves. */
const BYTES_A_REQUEST = 64 * 1024;
/** Of the memory: for open requests, and for bodies, each of which takes its size several times while it is searched. */
const REQUESTS_SHARE = 1 / 2;
const BODIES_SHARE = 1 / 8;
const MOST_BODIES_BYTES = 512 * 1024 * 1024;
const FEWEST_REQUESTS = 64;
/** Of the file descriptors for connections: those of clients whose request is not taken on. */
const OTHERS_SHARE = 1 / 32;
const FEWEST_OTHERS = 16;

/** What this process has to work with. */
export interface Means {
  readonly memoryBytes: number;
  readonly fileDescriptors: number;
}

export interface Capacity {
  readonly maxInFlight: number;
  readonly maxBodiesBytes: number;
}

/**
 * The memory is the container's where it has a limit, and is for all workers together. Where Node was told to keep its
 * heap small, that is what a process has to work with: by itself it takes half of the memory for it.
 */
export function findMeans(workers = 1): Means {
  const constrained = process.constrainedMemory();
  const memoryBytes = (constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()) / workers;
  return {
    memoryBytes: Math.min(memoryBytes, 2 * getHeapStatistics().heap_size_limit),
    fileDescriptors: findFileDescriptors(),
  };
}

/** Linux tells them; elsewhere they are no bound here. */
function findFileDescriptors(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** As many requests as there are file descriptors for: each takes its client's connection and one to a provider. */
function countRequests({ fileDescriptors }: Means): number {
  const free = fileDescriptors - RESERVED_DESCRIPTORS;
  return Math.max(FEWEST_REQUESTS, Math.floor(Math.min(free * (1 - OTHERS_SHARE), free - FEWEST_OTHERS) / 2));
}

/** More than requests: those who are refused, and probes, need a connection to be told so. */
export function countConnections(means: Means): number {
  const others = Math.floor((means.fileDescriptors - RESERVED_DESCRIPTORS) * OTHERS_SHARE);
  return countRequests(means) + Math.max(FEWEST_OTHERS, others);
}

/** What may be open at one time. A single body of the largest size always has its place. */
export function planCapacity(
  { maxInFlight, maxBodiesBytes }: Pick<OverloadConfig, 'maxInFlight' | 'maxBodiesBytes'>,
  bodyLimitBytes: number,
  means: Means,
): Capacity {
  const inMemory = Math.max(FEWEST_REQUESTS, Math.floor((means.memoryBytes * REQUESTS_SHARE) / BYTES_A_REQUEST));
  const bodiesBytes = maxBodiesBytes || Math.min(MOST_BODIES_BYTES, Math.floor(means.memoryBytes * BODIES_SHARE));
  return {
    maxInFlight: Math.min(maxInFlight || inMemory, countRequests(means)),
    maxBodiesBytes: Math.max(bodiesBytes, bodyLimitBytes),
  };
}
