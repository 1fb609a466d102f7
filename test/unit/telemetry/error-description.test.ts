import { describeError } from '../../../src/telemetry/error-description.js';

const SECRET = 'what the client wrote';

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error('nothing was thrown');
}

describe('an error in the log', () => {
  it('has its type, message, code and frames, and so has its cause', () => {
    const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED', headers: { key: SECRET } });
    const described = describeError(new Error('no answer', { cause }));
    expect(described).toMatchObject({
      type: 'Error',
      message: 'no answer',
      stack: expect.stringMatching(/^at /),
      cause: { message: 'connection refused', code: 'ECONNREFUSED' },
    });
    expect(JSON.stringify(described)).not.toContain(SECRET);
  });

  it.each([
    ['JSON that cannot be read', () => JSON.parse(`{"content": ${SECRET}}`) as unknown],
    ['a property set on a text', () => Object.assign(Object(SECRET) as object, 1 as never) && setOn(SECRET)],
  ])('does not quote %s', (_what, act) => {
    const error = thrownBy(act);
    // Without this the engine would.
    expect(`${error.message} ${error.stack}`).toContain('what the');
    expect(JSON.stringify(describeError(error))).not.toContain('what the');
  });

  it('of a kind that is none is cut to its first words', () => {
    expect(describeError('x'.repeat(10_000)).message).toHaveLength(500);
    expect(describeError(new Error('x'.repeat(10_000))).message.length).toBeLessThanOrEqual(501);
  });
});

function setOn(text: unknown): unknown {
  (text as { length: number }).length = 1;
  return text;
}
