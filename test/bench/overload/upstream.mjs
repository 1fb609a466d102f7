/** A provider on bare sockets: whatever is asked, the same answer after a pause. It must never be what is full. */
import { createServer } from 'node:net';

const DELAY_MS = Number(process.env.BENCH_UPSTREAM_DELAY_MS);
const END_OF_HEAD = Buffer.from('\r\n\r\n');
const body = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'bench',
  choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(50) }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 10, completion_tokens: 50, total_tokens: 60 },
});
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);

const server = createServer({ noDelay: true }, (socket) => {
  let head = null;
  /** Bytes of the body that are not here yet; null while its head is not. */
  let left = null;
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    let piece = bytes;
    if (left === null) {
      if (head !== null) piece = Buffer.concat([head, piece]);
      const end = piece.indexOf(END_OF_HEAD);
      if (end < 0) {
        head = piece;
        return;
      }
      head = null;
      left = Number(/\r\ncontent-length: *(\d+)/i.exec(piece.latin1Slice(0, end))?.[1] ?? 0);
      piece = piece.subarray(end + END_OF_HEAD.length);
    }
    left -= piece.length;
    if (left > 0) return;
    left = null;
    if (DELAY_MS > 0) setTimeout(() => socket.write(answer), DELAY_MS);
    else socket.write(answer);
  });
});
server.listen(0, '127.0.0.1', 4_096, () => process.send({ port: server.address().port }));
process.once('disconnect', () => process.exit());
