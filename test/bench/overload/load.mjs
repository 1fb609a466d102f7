/**
 * The clients, in a process of their own. `closed`: so many, each sending its next request once it has its answer.
 * `open`: requests come when they come, however many are waiting, each on a connection that nobody uses; that is what
 * overload is. Latency counts from when a request was due, so that a wait for this process counts, too.
 */
import { connect } from 'node:net';

const END_OF_HEAD = Buffer.from('\r\n\r\n');
const PATIENCE_MS = 30_000;

class Connection {
  constructor(port) {
    this.isOpen = true;
    this.done = null;
    this.head = null;
    this.left = null;
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (bytes) => this.read(bytes));
    this.socket.on('error', () => this.close());
    this.socket.on('close', () => this.close());
  }

  send(bytes, done) {
    this.done = done;
    this.socket.write(bytes);
  }

  read(bytes) {
    let piece = bytes;
    if (this.left === null) {
      if (this.head !== null) piece = Buffer.concat([this.head, piece]);
      const end = piece.indexOf(END_OF_HEAD);
      if (end < 0) {
        this.head = piece;
        return;
      }
      this.head = null;
      const text = piece.latin1Slice(0, end);
      this.status = Number(text.slice(9, 12));
      this.closes = /\r\nconnection: *close/i.test(text);
      this.retryAfter = Number(/\r\nretry-after: *(\d+)/i.exec(text)?.[1] ?? -1);
      this.left = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
      piece = piece.subarray(end + END_OF_HEAD.length);
    }
    this.left -= piece.length;
    if (this.left > 0) return;
    this.left = null;
    const { done } = this;
    this.done = null;
    if (this.closes) this.close();
    done?.(this.status);
  }

  close() {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.socket.destroy();
    const { done } = this;
    this.done = null;
    done?.(0);
  }
}

const idle = [];

function take(port) {
  for (;;) {
    const connection = idle.pop() ?? new Connection(port);
    if (connection.isOpen) return connection;
  }
}

/** What came back within the measured time, and what of it counts from the warm-up's end. */
class Tally {
  latencies = [];
  shedLatencies = [];
  retryAfter = new Map();
  counts = new Map();

  add(status, ms, { retryAfter }) {
    this.counts.set(status, (this.counts.get(status) ?? 0) + 1);
    if (status === 200) this.latencies.push(ms);
    if (status !== 503) return;
    this.shedLatencies.push(ms);
    this.retryAfter.set(retryAfter, (this.retryAfter.get(retryAfter) ?? 0) + 1);
  }

  result(seconds) {
    return {
      seconds,
      counts: Object.fromEntries(this.counts),
      retryAfter: Object.fromEntries(this.retryAfter),
      ms: quantiles(this.latencies),
      shedMs: quantiles(this.shedLatencies),
    };
  }
}

function quantiles(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

async function closed({ port, bytes, clients, warmUpMs, measuredMs }) {
  const tally = new Tally();
  const beganAt = performance.now() + warmUpMs;
  const endsAt = beganAt + measuredMs;
  const client = () =>
    new Promise((resolve) => {
      const next = () => {
        const sentAt = performance.now();
        if (sentAt >= endsAt) {
          resolve();
          return;
        }
        const connection = take(port);
        connection.send(bytes, (status) => {
          const now = performance.now();
          if (connection.isOpen) idle.push(connection);
          if (now >= beganAt && now < endsAt) tally.add(status, now - sentAt, connection);
          // Not within the read of the one before: a connection that is refused at once would never end.
          setImmediate(next);
        });
      };
      next();
    });
  await Promise.all(Array.from({ length: clients }, client));
  return tally.result(measuredMs / 1_000);
}

async function open({ port, bytes, rate, warmUpMs, measuredMs }) {
  const tally = new Tally();
  const lags = [];
  let waiting = 0;
  let mostWaiting = 0;
  const startedAt = performance.now();
  const beganAt = startedAt + warmUpMs;
  const endsAt = beganAt + measuredMs;
  let dueAt = startedAt;
  const send = (due) => {
    const connection = take(port);
    waiting += 1;
    mostWaiting = Math.max(mostWaiting, waiting);
    connection.send(bytes, (status) => {
      waiting -= 1;
      if (connection.isOpen) idle.push(connection);
      if (due >= beganAt) tally.add(status, performance.now() - due, connection);
    });
  };
  await new Promise((resolve) => {
    const tick = () => {
      const now = performance.now();
      while (dueAt <= now && dueAt < endsAt) {
        if (dueAt >= beganAt) lags.push(now - dueAt);
        send(dueAt);
        // Poisson: clients know nothing of one another.
        dueAt += (-Math.log(1 - Math.random()) / rate) * 1_000;
      }
      if (dueAt >= endsAt) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
  for (const until = performance.now() + PATIENCE_MS; waiting > 0 && performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const result = tally.result(measuredMs / 1_000);
  return { ...result, mostWaiting, unanswered: waiting, lagMs: quantiles(lags) };
}

const ACTIONS = { closed, open };

process.on('message', async ({ action, headers, body, ...rest }) => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join('')}`;
  const bytes = Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  process.send(await ACTIONS[action]({ ...rest, bytes }));
});
process.once('disconnect', () => process.exit());
