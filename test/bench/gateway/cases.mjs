/** What is asked for. Each case is an alias of the gateway's, and a path of the bench's provider. */
import { makeRequest } from './texts.mjs';

const KIBIBYTE = 1_024;

const json = (id, label, requestKibibytes, answerKibibytes) => ({
  id,
  label,
  unit: 'request',
  stream: false,
  providerType: 'openai',
  upstream: `json-${answerKibibytes}`,
  api: '/v1/chat/completions',
  requestBytes: requestKibibytes * KIBIBYTE,
  load: { connections: 16, durationMs: 1_000 },
});

const stream = (id, label, providerType, upstream, load) => ({
  id,
  label,
  unit: 'chunk',
  stream: true,
  providerType,
  upstream,
  api: providerType === 'anthropic' ? '/v1/messages' : '/v1/chat/completions',
  requestBytes: KIBIBYTE,
  load,
});

/** 40 streams at a time, an event every 5 ms on each: 8,000 events a second. */
const STREAM_LOAD = { connections: 40, count: 40 };

const cases = [
  json('json-1', '1 KB', 1, 1),
  json('json-10', '10 KB', 10, 10),
  json('json-100', '100 KB', 100, 100),
  json('prompt-100', '100 KB in, 1 KB out', 100, 1),
  stream('relayed', 'stream relayed', 'openai', 'sse-openai', STREAM_LOAD),
  stream('converted', 'stream converted', 'anthropic', 'sse-anthropic', STREAM_LOAD),
  stream('open-relayed', 'open streams', 'openai', 'slow-openai', null),
];

export const CASES = cases.map((one) => ({
  ...one,
  upstreamPath: `/${one.upstream}${one.api}`,
  body: (model) => makeRequest(model, one.requestBytes, { stream: one.stream }),
}));

export const getCase = (id) => {
  const found = CASES.find((one) => one.id === id);
  if (found === undefined) throw new Error(`there is no case ${id}: ${CASES.map((one) => one.id).join(', ')}`);
  return found;
};
