import { AegisError, ERRORS, toAegisError } from '../../../src/domain/errors.js';
import { UpstreamError } from '../../../src/domain/upstream-error.js';

describe('AegisError', () => {
  it('gives every client the same envelope', () => {
    const error = new AegisError('content_filter', 'Blocked.', {
      param: 'messages[0].content',
      findings: [{ filter: 'secrets', rule: 'aws', path: 'messages[0].content', action: 'block' }],
    });
    expect(error.toEnvelope('r-1')).toEqual({
      error: {
        message: 'Blocked.',
        type: 'invalid_request_error',
        param: 'messages[0].content',
        code: 'content_filter',
        request_id: 'r-1',
        findings: [{ filter: 'secrets', rule: 'aws', path: 'messages[0].content', pointer: '/messages/0/content' }],
      },
    });
  });

  it('tells the client nothing of a fault that is our own', () => {
    const error = toAegisError(new Error('password=hunter2'));
    expect(error.status).toBe(500);
    expect(JSON.stringify(error.toEnvelope('r'))).not.toContain('hunter2');
  });

  it('lets a client retry only what a wait may mend', () => {
    const retried = Object.entries(ERRORS).filter(
      ([, facts]) => facts.retry && ![429, 502, 503, 504].includes(facts.status),
    );
    expect(retried).toEqual([]);
  });
});

describe('UpstreamError', () => {
  it("restates the caller's fault with the upstream's status, type and code", () => {
    const error = new UpstreamError('caller', 'too long', { status: 422, type: 'invalid', code: 'context_length' });
    expect([error.status, error.type, error.wireCode, error.mayTryElsewhere]).toEqual([
      422,
      'invalid',
      'context_length',
      false,
    ]);
  });

  it("says a filter's verdict in our own words", () => {
    const error = new UpstreamError(
      'caller',
      'filtered',
      { status: 400, code: 'content_filter_x' },
      { as: 'content_filter' },
    );
    expect([error.status, error.wireCode]).toEqual([400, 'content_filter']);
  });

  it('tells a spent quota from a rate limit: only one of them passes', () => {
    expect(new UpstreamError('rate_limited', 'slow down', { status: 429 }).retryable).toBe(true);
    expect(new UpstreamError('exhausted', 'spent', { status: 429 }).retryable).toBe(false);
  });

  it("never shows a client that it was our credential's status", () => {
    const error = new UpstreamError('credential', 'refused', { status: 401, code: 'invalid_api_key' });
    expect([error.status, error.wireCode, error.type]).toEqual([502, 'upstream_auth_failed', 'upstream_error']);
  });
});
