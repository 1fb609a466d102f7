import { causeOf, ERROR_CAUSES } from '../../../src/domain/error-cause.js';
import { ERRORS, type ErrorCode } from '../../../src/domain/errors.js';

describe('every error code', () => {
  const codes = Object.keys(ERRORS) as ErrorCode[];

  it('has one cause, and every cause some code', () => {
    expect([...new Set(codes.map(causeOf))].sort()).toEqual([...ERROR_CAUSES].sort());
  });

  it('that blames a provider or the gateway answers with a 5xx or says that the provider limits', () => {
    for (const code of codes) {
      const isOthers = causeOf(code) === 'provider' || causeOf(code) === 'gateway';
      expect([code, isOthers]).toEqual([code, ERRORS[code].status >= 500 || code === 'upstream_rate_limited']);
    }
  });
});
