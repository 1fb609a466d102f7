import { AnswerWork, AnswerWorkExceededError } from '../../../../src/filter/stream/answer-work.js';

function* steps(): Generator<void, string> {
  yield;
  yield;
  return 'done';
}

function drain<T>(work: Generator<void, T>): { pauses: number; result: T } {
  for (let pauses = 0; ; pauses++) {
    const step = work.next();
    if (step.done) return { pauses, result: step.value };
  }
}

describe('the work that an answer may take', () => {
  it('goes on, with its pauses, while there is time', () => {
    expect(drain(new AnswerWork().bound(steps()))).toEqual({ pauses: 2, result: 'done' });
  });

  it('ends where it is spent, in one piece of work or in many', () => {
    const work = new AnswerWork(-1);
    const run = (): unknown => drain(work.bound(steps()));
    expect(run).toThrow(AnswerWorkExceededError);
    expect(run).toThrow(AnswerWorkExceededError);
  });

  it('is more where more comes', () => {
    const work = new AnswerWork(0);
    work.expect(1, 60_000_000);
    expect(drain(work.bound(steps())).result).toBe('done');
  });
});
