/**
 * An OTLP/HTTP receiver in a process of its own: keeps every body it is sent, as JSON, and gives them back.
 * POST /v1/traces, /v1/metrics store; GET /stored answers {traces, metrics, requests}; POST /forget empties it.
 * Prints its port on standard output.
 */
import { createServer } from 'node:http';

const stored = { traces: [], metrics: [], requests: [] };

const server = createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces).toString('utf8');
  const answer = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  switch (`${request.method} ${request.url}`) {
    case 'POST /v1/traces':
    case 'POST /v1/metrics': {
      const signal = request.url === '/v1/traces' ? 'traces' : 'metrics';
      if (request.headers['content-type'] !== 'application/json') return answer(415, {});
      stored[signal].push(JSON.parse(body));
      stored.requests.push({ url: request.url, headers: request.headers, bytes: body.length });
      return answer(200, {});
    }
    case 'GET /stored':
      return answer(200, stored);
    case 'POST /forget':
      for (const list of Object.values(stored)) list.length = 0;
      return answer(200, {});
    default:
      return answer(404, {});
  }
});

server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.once('disconnect', () => process.exit(0));
