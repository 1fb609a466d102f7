import { BodyBudget } from '../../../../src/gateway/overload/body-budget.js';

const LIMIT = 20;

describe('BodyBudget', () => {
  it('lets bodies in up to its size, and again once they are gone', () => {
    const budget = new BodyBudget();
    const release = budget.reserve({ 'content-length': '20' }, LIMIT, 30);
    expect(release).not.toBeNull();
    expect(budget.reserve({ 'content-length': '11' }, LIMIT, 30)).toBeNull();
    expect(budget.reserve({ 'content-length': '10' }, LIMIT, 30)).not.toBeNull();
    release?.();
    expect(budget.reserve({ 'content-length': '20' }, LIMIT, 30)).not.toBeNull();
  });

  it('counts a body of unknown length as the largest there may be', () => {
    const budget = new BodyBudget();
    expect(budget.reserve({ 'transfer-encoding': 'chunked' }, LIMIT, LIMIT)).not.toBeNull();
    expect(budget.reserve({ 'content-length': '1' }, LIMIT, LIMIT)).toBeNull();
  });

  it('counts one that is too large anyway, or no number at all, as no more than that', () => {
    for (const length of ['1000000', 'many', '-1']) {
      const budget = new BodyBudget();
      expect(budget.reserve({ 'content-length': length }, LIMIT, LIMIT)).not.toBeNull();
      expect(budget.reserve({ 'content-length': '1' }, LIMIT, LIMIT)).toBeNull();
    }
  });

  it('needs nothing for a request without a body', () => {
    const budget = new BodyBudget();
    expect(budget.reserve({}, LIMIT, 0)).not.toBeNull();
  });
});
