/** How sensitive data is, from least to most. A higher level may go to fewer targets. */
export const CLASSIFICATIONS = ['PUBLIC', 'INTERNAL', 'CONFIDENTIAL', 'RESTRICTED'] as const;

export type Classification = (typeof CLASSIFICATIONS)[number];

const RANK: Readonly<Record<Classification, number>> = { PUBLIC: 0, INTERNAL: 1, CONFIDENTIAL: 2, RESTRICTED: 3 };

/** Whether a ceiling (a target's, or a key's maximum) admits data of this level. */
export function admits(ceiling: Classification, level: Classification): boolean {
  return RANK[ceiling] >= RANK[level];
}

/** The more sensitive of two levels. */
export function highest(first: Classification, second: Classification): Classification {
  return RANK[first] >= RANK[second] ? first : second;
}

/** Reads a level as a person writes it (any case, blanks around it); undefined where it is none. */
export function findClassification(text: string): Classification | undefined {
  const upper = text.trim().toUpperCase();
  return CLASSIFICATIONS.find((classification) => classification === upper);
}
