import fc from 'fast-check';
import { formatTraceHeaders, parseTraceContext } from '../../../src/domain/trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const VALID = `00-${TRACE}-${SPAN}-01`;

/** By the examples and rules of https://www.w3.org/TR/trace-context/ */
describe('traceparent', () => {
  it('is read, and written again', () => {
    const context = parseTraceContext(VALID, undefined);
    expect(context).toEqual({ traceId: TRACE, spanId: SPAN, isSampled: true, state: null });
    expect(context && formatTraceHeaders(context)).toEqual({ traceparent: VALID });
    expect(parseTraceContext(`00-${TRACE}-${SPAN}-00`, undefined)?.isSampled).toBe(false);
    expect(parseTraceContext(`00-${TRACE}-${SPAN}-03`, undefined)?.isSampled).toBe(true);
  });

  it.each([
    ['is absent', undefined],
    ['came twice', `${VALID}, ${VALID}`],
    ['has a trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['has a span id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['is in upper case', VALID.toUpperCase()],
    ['has the version ff', `ff-${TRACE}-${SPAN}-01`],
    ['says more than version 00 can', `${VALID}-more`],
    ['is cut short', VALID.slice(0, -1)],
    ['has spaces around it', ` ${VALID} `],
  ])('counts for nothing where it %s, nor does its tracestate', (_how, traceparent) => {
    expect(parseTraceContext(traceparent, 'congo=1')).toBeNull();
  });

  it('of a later version is read as far as it is known', () => {
    expect(parseTraceContext(`01-${TRACE}-${SPAN}-01-what-comes-then`, undefined)?.traceId).toBe(TRACE);
  });

  it('never fails, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (traceparent, tracestate) => {
        expect(parseTraceContext(traceparent, tracestate)).toBeNull();
        const { state } = parseTraceContext(VALID, tracestate) ?? {};
        // What is passed on can stand in a header.
        if (state) expect(state).toMatch(/^[\x20-\x7e]{1,512}$/);
      }),
    );
  });
});

describe('tracestate', () => {
  const stateOf = (tracestate: unknown) => parseTraceContext(VALID, tracestate)?.state;

  it.each([
    ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    ['rojo=1 , , congo=2', 'rojo=1,congo=2'],
    ['fw529a3039@dt=FfABIAbd/Ah', 'fw529a3039@dt=FfABIAbd/Ah'],
  ])('%s is passed on', (given, passed) => {
    expect(stateOf(given)).toBe(passed);
  });

  it.each([
    ['empty', ''],
    ['without a value', 'congo'],
    ['of one key twice', 'congo=1,congo=2'],
    ['with an upper-case key', 'Congo=1'],
    ['with characters that no value may have', 'congo=a=b'],
    ['with a line feed', 'congo=a\nx: y'],
    ['of 33 members', Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(',')],
    ['too long', `congo=${'x'.repeat(600)}`],
  ])('%s is dropped as a whole, and the trace goes on', (_how, tracestate) => {
    expect(stateOf(tracestate)).toBeNull();
  });
});
