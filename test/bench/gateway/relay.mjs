/**
 * What the gateway is compared with, in a process of its own: node:http in front, one undici pool behind, no controls.
 *
 * `bytes` passes bytes on and looks at nothing: no relay in Node does less.
 * `raw` does what any gateway must that routes by model and counts tokens, and nothing more: the request is parsed and
 * serialised once with its model put in; an answer is parsed for its usage, and of a stream the event that has it.
 */
import { createServer } from 'node:http';
import { Pool } from 'undici';

const mode = process.env.RELAY_MODE;
const upstream = new Pool(process.env.RELAY_UPSTREAM, { connections: 20_000, pipelining: 1 });
const counted = { tokens: 0 };

const HEADERS = { 'content-type': 'application/json', authorization: 'Bearer bench' };

function passBytes(request, response) {
  upstream.dispatch(
    {
      method: 'POST',
      path: request.url,
      headers: { ...HEADERS, 'content-length': request.headers['content-length'] },
      body: request,
    },
    {
      onRequestStart(call) {
        response.on('close', () => {
          if (!response.writableFinished) call.abort();
        });
      },
      onResponseStart(call, status, headers) {
        response.on('drain', () => call.resume());
        response.writeHead(status, passedOn(headers));
      },
      onResponseData(call, bytes) {
        if (!response.write(bytes)) call.pause();
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        response.destroy();
      },
    },
  );
}

function passedOn(headers) {
  const kept = { 'content-type': headers['content-type'] };
  if (headers['content-length'] !== undefined) kept['content-length'] = headers['content-length'];
  return kept;
}

async function readBody(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function passParsed(request, response) {
  const question = JSON.parse((await readBody(request)).toString());
  const body = JSON.stringify({ ...question, model: `${question.model}-served` });
  const answer = await upstream.request({ method: 'POST', path: request.url, headers: HEADERS, body });
  response.on('close', () => answer.body.destroy());
  if (answer.headers['content-type'] === 'application/json') {
    const bytes = await readBody(answer.body);
    counted.tokens += JSON.parse(bytes.toString()).usage.total_tokens;
    response.writeHead(answer.statusCode, { 'content-type': 'application/json', 'content-length': bytes.length });
    response.end(bytes);
    return;
  }
  response.writeHead(answer.statusCode, passedOn(answer.headers));
  let rest = '';
  for await (const bytes of answer.body) {
    rest += bytes.toString();
    const end = rest.lastIndexOf('\n\n');
    if (end < 0) continue;
    for (const event of rest.slice(0, end).split('\n\n')) if (event.includes('"usage"')) countTokens(event);
    rest = rest.slice(end + 2);
    if (!response.write(bytes)) await new Promise((resolve) => response.once('drain', resolve));
  }
  response.end();
}

function countTokens(event) {
  const { usage } = JSON.parse(event.slice(event.indexOf('data: ') + 6));
  counted.tokens += usage?.total_tokens ?? usage?.output_tokens ?? 0;
}

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  if (mode === 'bytes') passBytes(request, response);
  else passParsed(request, response).catch(() => response.destroy());
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 16_384 }, () => process.send({ port: server.address().port }));
process.once('disconnect', () => process.exit());
