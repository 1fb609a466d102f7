import type { FiltersConfig, RequestAction } from '../config/schema/filters.config.js';
import type { Classification } from '../domain/classification.js';
import type { Detection } from '../domain/detector.js';
import type { FilterAction, FilterDirection } from '../domain/finding.js';

/** What is done where something is found: by an override, else by the rule itself, else by its filter's setting. */
export class ActionPolicy {
  constructor(private readonly filters: FiltersConfig) {}

  /** `off`: as if it had not been found. */
  resolve({ filter, actions }: Detection, direction: FilterDirection, _level: Classification): FilterAction | 'off' {
    return actions[direction] ?? this.configured(filter, direction);
  }

  private configured(filter: string, direction: FilterDirection): FilterAction | 'off' {
    const { secrets, personalData, terms } = this.filters;
    const section = filter === 'personal_data' ? personalData : filter === 'terms' ? terms : secrets;
    return direction === 'response' ? section.responseAction : toAction(section.action, section.raiseTo);
  }
}

function toAction(action: RequestAction, raiseTo: Classification): FilterAction | 'off' {
  return action === 'raise' ? { raiseTo } : action;
}
