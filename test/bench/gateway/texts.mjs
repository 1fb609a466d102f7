/** What is sent and answered: plain English of any length, the same on every run, with nothing in it that a filter finds. */

const WORDS =
  'the gateway reads a request once and says where it may go before any provider is asked about it so a team can see what was sent and what it cost in one place while others write code or letters with numbers such as 12 and 4096 or names like parseHeader and total_count'.split(
    ' ',
  );

/** Exactly `length` characters. */
export function makeText(length) {
  let text = '';
  for (let index = 0; text.length < length; index++) {
    const word = WORDS[(index * 7 + (index >> 3)) % WORDS.length];
    text += index % 13 === 12 ? `${word}.\n` : `${word} `;
  }
  return text.slice(0, length);
}

/** A request's body of about `bytes` bytes: a system's message, some turns, a question. */
export function makeRequest(model, bytes, { stream = false } = {}) {
  const turns = [
    { role: 'system', content: 'You are a helpful assistant of the platform team.' },
    { role: 'user', content: 'Please look at this first.' },
    { role: 'assistant', content: 'I have read it. What would you like to know?' },
  ];
  const body = { model, messages: turns, temperature: 0.2, max_tokens: 1_000, ...(stream && { stream }) };
  const rest = Math.max(16, bytes - JSON.stringify(body).length - 60);
  body.messages.push({ role: 'user', content: makeText(rest) });
  return Buffer.from(JSON.stringify(body));
}
