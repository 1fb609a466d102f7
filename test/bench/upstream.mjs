/** A provider that costs next to nothing, in a process of its own: what is left to measure is the gateway. */
import { createServer } from 'node:http';

const created = 1_700_000_000;
const usage = { prompt_tokens: 10, completion_tokens: 50, total_tokens: 60 };
const completion = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created,
  model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(50) }, finish_reason: 'stop' }],
  usage,
});
const chunk = (delta, finish_reason = null, more = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created, model: 'bench', choices: [{ index: 0, delta, finish_reason }], ...more })}\n\n`;
const EVENTS = 100;

const server = createServer((request, response) => {
  let body = '';
  request.on('data', (bytes) => {
    body += bytes;
  });
  request.on('end', async () => {
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(completion);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chunk({ role: 'assistant', content: '' }));
    for (let index = 0; index < EVENTS; index++) {
      response.write(chunk({ content: 'word ' }));
      // One write, one read at the other end: as a provider that thinks between words.
      await new Promise(setImmediate);
    }
    response.write(chunk({}, 'stop', { usage }));
    response.end('data: [DONE]\n\n');
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.once('disconnect', () => process.exit());
