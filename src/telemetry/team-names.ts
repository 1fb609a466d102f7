/** So many teams have a series of their own; names come from the keys' database, which nothing bounds. */
export const MAX_TEAMS = 1_000;
const OTHER: TeamLabels = { organization: 'other', team: 'other' };

export interface TeamLabels {
  readonly organization: string;
  readonly team: string;
}

/** Names teams in metrics: the first `MAX_TEAMS` by their own names, all others together. */
export class TeamNames {
  private readonly known = new Map<string, TeamLabels>();

  labelsOf(organization: string, team: string): TeamLabels {
    const key = `${organization}\0${team}`;
    const known = this.known.get(key);
    if (known) return known;
    if (this.known.size >= MAX_TEAMS) return OTHER;
    const labels = { organization, team };
    this.known.set(key, labels);
    return labels;
  }
}
