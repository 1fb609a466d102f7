/**
 * The clients of the bench, in a process of its own that costs less than what it measures: requests are bytes made
 * once, answers are looked at only as far as it takes to know where they end. Told by messages what to do.
 */
import { connect } from 'node:net';

const END_OF_HEAD = Buffer.from('\r\n\r\n');
const END_OF_CHUNKS = '\r\n0\r\n\r\n';
const TIMER_MS = 1;

/** One keep-alive connection, one request at a time. */
class Connection {
  constructor(port) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (bytes) => this.read(bytes));
    this.socket.on('error', (problem) => this.fail(problem));
    this.socket.on('close', () => this.fail(new Error('the connection was closed')));
    this.done = null;
    this.isOpen = true;
  }

  /** `done(problem)` is called once the whole answer is here; `begun` at its first byte. */
  send(bytes, done, begun = null) {
    this.done = done;
    this.begun = begun;
    this.head = null;
    this.left = null;
    this.tail = '';
    this.reads = 0;
    this.socket.write(bytes);
  }

  read(bytes) {
    this.reads += 1;
    let piece = bytes;
    if (this.left === null) {
      if (this.head !== null) piece = Buffer.concat([this.head, piece]);
      const end = piece.indexOf(END_OF_HEAD);
      if (end < 0) {
        this.head = piece;
        return;
      }
      const text = piece.latin1Slice(0, end);
      if (!text.startsWith('HTTP/1.1 200')) {
        this.fail(new Error(`answered: ${piece.toString().slice(0, 2_000)}`));
        return;
      }
      const length = /\r\ncontent-length: *(\d+)/i.exec(text);
      this.left = length ? Number(length[1]) : -1;
      this.isLast = /\r\nconnection: *close/i.test(text);
      // The line feeds of the head stay, for an answer that ends at once.
      piece = piece.subarray(this.left < 0 ? end + 2 : end + 4);
      this.begun?.();
    }
    if (this.left >= 0) {
      this.left -= piece.length;
      if (this.left === 0) this.end();
      return;
    }
    const short = piece.latin1Slice(Math.max(0, piece.length - END_OF_CHUNKS.length));
    this.tail = short.length === END_OF_CHUNKS.length ? short : (this.tail + short).slice(-END_OF_CHUNKS.length);
    if (this.tail === END_OF_CHUNKS) this.end();
  }

  end() {
    const { done } = this;
    this.done = null;
    if (this.isLast) this.close();
    done(null);
  }

  fail(problem) {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.socket.destroy();
    this.done?.(problem);
    this.done = null;
  }

  close() {
    this.isOpen = false;
    this.socket.destroy();
  }
}

/** Idle connections by port: they outlive a slice, as a client's pool does. */
const idle = new Map();

function take(port) {
  const connections = idle.get(port) ?? [];
  for (;;) {
    const connection = connections.pop() ?? new Connection(port);
    if (connection.isOpen) return connection;
  }
}

function giveBack(port, connection) {
  if (!idle.has(port)) idle.set(port, []);
  idle.get(port).push(connection);
}

const toBytes = ({ path, headers, body }) => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const bytes = Buffer.from(body, 'base64');
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join('')}content-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
};

function exchange(port, bytes) {
  return new Promise((resolve, reject) => {
    const connection = take(port);
    connection.send(bytes, (problem) => {
      if (problem) {
        reject(problem);
        return;
      }
      if (connection.isOpen) giveBack(port, connection);
      resolve(connection.reads);
    });
  });
}

/** `connections` clients, each sending its next request as soon as it has its answer: for a time, or so many requests. */
async function closedLoop({
  target,
  connections,
  durationMs = Number.POSITIVE_INFINITY,
  count = Number.POSITIVE_INFINITY,
}) {
  const bytes = toBytes(target);
  const startedAt = performance.now();
  let sent = 0;
  let requests = 0;
  let reads = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (sent < count && performance.now() - startedAt < durationMs) {
        sent += 1;
        reads += await exchange(target.port, bytes);
        requests += 1;
      }
    }),
  );
  return { requests, reads, seconds: (performance.now() - startedAt) / 1_000 };
}

/** So many requests a second whatever becomes of them; milliseconds of each, from its sending to its last byte. */
async function openLoop({ target, rate, durationMs }) {
  const bytes = toBytes(target);
  const latencies = [];
  const open = [];
  const startedAt = performance.now();
  await new Promise((resolve) => {
    let sent = 0;
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - startedAt;
      if (elapsedMs >= durationMs) {
        clearInterval(timer);
        resolve();
        return;
      }
      for (; sent < (elapsedMs / 1_000) * rate; sent++) {
        const sentAt = performance.now();
        open.push(exchange(target.port, bytes).then(() => latencies.push(performance.now() - sentAt)));
      }
    }, TIMER_MS);
  });
  await Promise.all(open);
  return { latencies, seconds: (performance.now() - startedAt) / 1_000 };
}

let held = [];

/** Opens so many streams and keeps them, some at a time; answers once each of them has said its first word. */
async function hold({ target, count, atATime = 50 }) {
  const bytes = toBytes(target);
  let left = count;
  const open = () =>
    new Promise((resolve, reject) => {
      const connection = new Connection(target.port);
      held.push(connection);
      connection.send(bytes, (problem) => reject(problem ?? new Error('a stream ended')), resolve);
    });
  await Promise.all(
    Array.from({ length: atATime }, async () => {
      while (left-- > 0) await open();
    }),
  );
  return countHeld();
}

function countHeld() {
  return {
    open: held.filter(({ isOpen }) => isOpen).length,
    reads: held.reduce((sum, { reads }) => sum + reads, 0),
  };
}

function release() {
  for (const connection of held) connection.close();
  held = [];
  return {};
}

const ACTIONS = { closedLoop, openLoop, hold, countHeld, release };

process.on('message', async ({ id, action, parameters }) => {
  try {
    process.send({ id, result: await ACTIONS[action](parameters) });
  } catch (problem) {
    process.send({ id, problem: String(problem) });
  }
});
process.once('disconnect', () => process.exit());
process.send({ ready: true });
