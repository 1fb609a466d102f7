/**
 * What the values of several workers are together. `worst`: of series that are 1 for one of the label `state`'s values and
 * 0 for the others. `first`: all are the same.
 */
export type Together = 'sum' | 'min' | 'max' | 'first' | 'worst';

export interface CounterDefinition {
  readonly kind: 'counter';
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

export interface GaugeDefinition extends Omit<CounterDefinition, 'kind'> {
  readonly kind: 'gauge';
  readonly together: Together;
}

export interface HistogramDefinition extends Omit<CounterDefinition, 'kind'> {
  readonly kind: 'histogram';
  readonly buckets: readonly number[];
}

export type MetricDefinition = CounterDefinition | GaugeDefinition | HistogramDefinition;
