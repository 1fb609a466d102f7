/** One request to each, read to its end, before anything is measured: what does not answer must not be called fast. */

async function tryOnce(subject, one) {
  const { port, path, headers, body } = subject.target(one);
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers,
      body: Buffer.from(body, 'base64'),
    });
    const text = await answer.text();
    if (answer.status !== 200) return `${answer.status} ${text.slice(0, 300)}`;
    if (one.stream && !/\[DONE\]|message_stop/.test(text)) return 'the stream has no end';
    if (!one.stream && JSON.parse(text).choices?.length !== 1) return 'the answer has no choice';
    return null;
  } catch (problem) {
    return String(problem);
  }
}

/** Those that cannot do the case, by name. A gateway or a relay of the bench's own must. */
export async function findUnserved(subjects, one) {
  const unserved = new Map();
  for (const subject of subjects) {
    const reason = await tryOnce(subject, one);
    if (reason === null) continue;
    if (subject.name !== 'portkey') throw new Error(`${subject.label}, ${one.label}: ${reason}`);
    unserved.set(subject.name, { label: subject.label, reason });
  }
  return unserved;
}
