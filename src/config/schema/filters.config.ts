import { CLASSIFICATIONS, type Classification } from '../../domain/classification.js';
import { Choice, Section, SectionList, Switch, TextList, Whole } from './setting.js';

/** What is done to a request where something is found in it. `raise`: its level becomes at least `raise_to`. */
export const REQUEST_ACTIONS = ['block', 'redact', 'pseudonymize', 'flag', 'raise', 'off'] as const;
export type RequestAction = (typeof REQUEST_ACTIONS)[number];

/** What is done to an answer where something is found in it; `off`: it is not looked for. */
export const RESPONSE_ACTIONS = ['block', 'redact', 'flag', 'off'] as const;
export type ResponseAction = (typeof RESPONSE_ACTIONS)[number];

/** A filter made of rules: what each of them does, unless the rule itself or an override says otherwise. */
class RuleFilterConfig {
  @Switch({ about: 'Whether the rules of this filter are looked for.' })
  enabled = true;

  @Choice({ about: 'What happens to what is found in a request.', choices: REQUEST_ACTIONS })
  action: RequestAction = 'flag';

  @Choice({ about: 'The level that `action: raise` raises to.', choices: CLASSIFICATIONS })
  raiseTo: Classification = 'CONFIDENTIAL';

  @Choice({ about: 'What happens to what is found in an answer.', choices: RESPONSE_ACTIONS })
  responseAction: ResponseAction = 'off';
}

/** Credentials. */
export class SecretsFilterConfig extends RuleFilterConfig {
  override action: RequestAction = 'block';
  override raiseTo: Classification = 'RESTRICTED';
  override responseAction: ResponseAction = 'redact';
}

/** E-mail, phone, cards, national ids … */
export class PersonalDataFilterConfig extends RuleFilterConfig {
  override enabled = false;
  override action: RequestAction = 'pseudonymize';

  @TextList({ about: 'Rules that are looked for, by id; empty: all.' })
  rules: string[] = [];
}

/** Scores are 0 to 100. */
export class PromptInjectionFilterConfig {
  @Switch({ about: 'Whether texts are looked at for attempts to take over the model.' })
  enabled = true;

  @Whole({ about: 'The score from which a text is flagged.', min: 1, max: 100 })
  flagAt = 50;

  @Whole({ about: 'The score from which a request is blocked; 0: never.', min: 0, max: 100 })
  blockAt = 0;
}

/** An operator's own terms, which stand in `terms.yaml`. */
export class TermsFilterConfig extends RuleFilterConfig {}

/** The first one that fits decides. */
export class FilterOverrideConfig {
  @TextList({ about: 'Ids of rules, `*` for any letters; or `filter:secrets` for all of a filter.', required: true })
  rules: string[] = [];

  @Choice({ about: 'Requests, answers, or both.', choices: ['request', 'response', 'both'] })
  direction: 'request' | 'response' | 'both' = 'both';

  @TextList({ about: 'Levels of requests it holds for; empty: all.' })
  levels: string[] = [];

  @Choice({ about: 'What happens instead.', choices: REQUEST_ACTIONS, required: true })
  action: RequestAction = 'flag';

  @Choice({ about: 'The level that `action: raise` raises to.', choices: CLASSIFICATIONS })
  raiseTo: Classification = 'RESTRICTED';
}

export class FiltersConfig {
  @Choice({
    about: 'What happens to a request with media that no filter can read.',
    choices: ['allow', 'flag', 'block'],
  })
  unscannedMedia: 'allow' | 'flag' | 'block' = 'flag';

  @Section(SecretsFilterConfig, { about: 'The filter that finds credentials.' })
  secrets = new SecretsFilterConfig();

  @Section(PersonalDataFilterConfig, { about: 'The filter that finds personal data.' })
  personalData = new PersonalDataFilterConfig();

  @Section(PromptInjectionFilterConfig, { about: 'The filter that finds attempts to take over the model.' })
  promptInjection = new PromptInjectionFilterConfig();

  @Section(TermsFilterConfig, { about: 'The filter that finds terms of your own.' })
  terms = new TermsFilterConfig();

  @SectionList(FilterOverrideConfig, { about: 'Other actions for some rules, directions or levels.' })
  overrides: FilterOverrideConfig[] = [];
}
