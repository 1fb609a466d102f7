/** A number in [0, 1), uniformly spread. Passed in, so that what depends on chance can be tested. */
export type Random = () => number;

/** Injection token of `Random`. */
export const RANDOM = Symbol('Random');
