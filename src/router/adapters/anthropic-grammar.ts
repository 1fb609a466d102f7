import type { ModelFacts } from './anthropic-models.js';
import type { NativeSchema } from './anthropic-schema.js';

/** Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs#schema-complexity-limits */
const MOST_STRICT_TOOLS = 20;
const MOST_OPTIONAL_PROPERTIES = 24;
const MOST_UNIONS = 16;

/** What of a request Anthropic can still hold the model to: its grammar has a size, for all schemas together. */
export class GrammarRoom {
  private tools = 0;
  private optionalProperties = 0;
  private unions = 0;

  constructor(private readonly facts: ModelFacts) {}

  /** Whether the schema fits in; if so, it has taken its room. */
  takes(schema: NativeSchema, isTool = false): boolean {
    const tools = this.tools + (isTool ? 1 : 0);
    const optionalProperties = this.optionalProperties + schema.optionalProperties;
    const unions = this.unions + schema.unions;
    if (!this.facts.structuredOutputs || tools > MOST_STRICT_TOOLS) return false;
    if (optionalProperties > MOST_OPTIONAL_PROPERTIES || unions > MOST_UNIONS) return false;
    this.tools = tools;
    this.optionalProperties = optionalProperties;
    this.unions = unions;
    return true;
  }
}
