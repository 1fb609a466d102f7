import { availableParallelism } from 'node:os';
import { countCores, countWorkers, findQuota } from '../../../src/config/workers.js';

describe('the number of workers', () => {
  it('is the one that is written, or that of the cores', () => {
    expect(countWorkers({ workers: 3 }, 8)).toBe(3);
    expect(countWorkers({ workers: 'auto' }, 8)).toBe(8);
  });

  it('is never more than the cores that a container may use', () => {
    expect(findQuota('200000 100000')).toBe(2);
    expect(findQuota('150000 100000\n')).toBe(1.5);
    for (const unbounded of ['max 100000', '-1 100000', '', ' ', '100000', '1 0']) {
      expect(findQuota(unbounded)).toBe(Number.POSITIVE_INFINITY);
    }
    expect(countCores()).toBeGreaterThanOrEqual(1);
    expect(countCores()).toBeLessThanOrEqual(availableParallelism());
  });
});
