import { z } from 'zod';

/** What the applications extract from a text. */
export const person = z.object({ name: z.string(), age: z.number().int().min(0) });
