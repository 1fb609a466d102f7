/**
 * Loaded before a gateway (`NODE_OPTIONS=--import=…`): faults as a mistake in its own code would make them. What a
 * provider sends sets them off, or the header `x-test-fault` of a request.
 */
import { Server, ServerResponse } from 'node:http';

const { parse } = JSON;
JSON.parse = (text, ...rest) => {
  const value = parse(text, ...rest);
  if (typeof text === 'string' && text.includes('detonate-reading')) throw new TypeError('a reader has a fault');
  return value;
};

for (const name of ['write', 'end']) {
  const original = ServerResponse.prototype[name];
  ServerResponse.prototype[name] = function (chunk, ...rest) {
    if (String(chunk).includes('detonate-writing')) throw new TypeError('a writer has a fault');
    return original.call(this, chunk, ...rest);
  };
}

const { emit } = Server.prototype;
Server.prototype.emit = function (event, request, ...rest) {
  const fault = event === 'request' ? request.headers['x-test-fault'] : undefined;
  if (fault === 'rejection') void Promise.reject(new Error('nobody waits for this'));
  if (fault === 'exception') {
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
  }
  return emit.call(this, event, request, ...rest);
};
