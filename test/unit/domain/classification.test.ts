import { admits, CLASSIFICATIONS, findClassification, highest } from '../../../src/domain/classification.js';

describe('classification', () => {
  it('admits a level exactly where the ceiling is at or above it', () => {
    const admitted = CLASSIFICATIONS.map((ceiling) => CLASSIFICATIONS.filter((level) => admits(ceiling, level)));
    expect(admitted).toEqual([
      ['PUBLIC'],
      ['PUBLIC', 'INTERNAL'],
      ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL'],
      ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'],
    ]);
  });

  it('takes the more sensitive of two levels, whichever comes first', () => {
    expect(highest('PUBLIC', 'CONFIDENTIAL')).toBe('CONFIDENTIAL');
    expect(highest('CONFIDENTIAL', 'PUBLIC')).toBe('CONFIDENTIAL');
    expect(highest('INTERNAL', 'INTERNAL')).toBe('INTERNAL');
  });

  it('reads a level in any case and nothing else', () => {
    expect(findClassification(' restricted ')).toBe('RESTRICTED');
    expect(findClassification('SECRET')).toBeUndefined();
    expect(findClassification('')).toBeUndefined();
  });
});
