import { countConnections, findMeans, planCapacity } from '../../../../src/gateway/overload/capacity.js';

const MEBIBYTE = 1024 * 1024;
const BODY_LIMIT = 20 * MEBIBYTE;
const DERIVED = { maxInFlight: 0, maxBodiesBytes: 0 };

const plan = (memoryMebibytes: number, fileDescriptors = 1_000_000, settings = DERIVED) =>
  planCapacity(settings, BODY_LIMIT, { memoryBytes: memoryMebibytes * MEBIBYTE, fileDescriptors });

describe('planCapacity', () => {
  it('goes by the memory where nothing is set', () => {
    expect(plan(512)).toEqual({ maxInFlight: 4_096, maxBodiesBytes: 64 * MEBIBYTE });
    expect(plan(2_048)).toEqual({ maxInFlight: 16_384, maxBodiesBytes: 256 * MEBIBYTE });
  });

  it('never holds more than half a gibibyte of bodies, nor less than the largest one', () => {
    expect(plan(64 * 1_024).maxBodiesBytes).toBe(512 * MEBIBYTE);
    expect(plan(128).maxBodiesBytes).toBe(BODY_LIMIT);
    expect(plan(4_096, 1_000_000, { ...DERIVED, maxBodiesBytes: 1 }).maxBodiesBytes).toBe(BODY_LIMIT);
  });

  it('takes what is set, but never more requests than there are file descriptors for: two each', () => {
    expect(plan(4_096, 1_000_000, { maxInFlight: 12, maxBodiesBytes: 30 * MEBIBYTE })).toEqual({
      maxInFlight: 12,
      maxBodiesBytes: 30 * MEBIBYTE,
    });
    expect(plan(64 * 1_024, 20_000).maxInFlight).toBe(9_563);
    expect(plan(4_096, 1_024, { ...DERIVED, maxInFlight: 5_000 }).maxInFlight).toBe(372);
    expect(plan(4_096, 100).maxInFlight).toBe(64);
  });
});

describe('countConnections', () => {
  it('leaves a descriptor to a provider for each request, and some connections for those who are refused', () => {
    expect(countConnections({ memoryBytes: 1, fileDescriptors: 20_000 })).toBe(10_180);
    expect(countConnections({ memoryBytes: 1, fileDescriptors: 100 })).toBe(80);
    expect(countConnections({ memoryBytes: 1, fileDescriptors: Number.POSITIVE_INFINITY })).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});

describe('findMeans', () => {
  it('finds memory and file descriptors of this process', () => {
    const { memoryBytes, fileDescriptors } = findMeans();
    expect(memoryBytes).toBeGreaterThan(64 * MEBIBYTE);
    expect(memoryBytes).toBeLessThan(Number.MAX_SAFE_INTEGER);
    expect(fileDescriptors).toBeGreaterThanOrEqual(256);
  });
});
