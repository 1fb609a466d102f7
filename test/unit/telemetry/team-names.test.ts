import { MAX_TEAMS, TeamNames } from '../../../src/telemetry/team-names.js';

describe('teams in metrics', () => {
  it('have their own names up to a bound, and one name together past it', () => {
    const names = new TeamNames();
    for (let team = 0; team < MAX_TEAMS; team++) {
      expect(names.labelsOf('acme', `team-${team}`)).toEqual({ organization: 'acme', team: `team-${team}` });
    }
    expect(names.labelsOf('acme', 'one-too-many')).toEqual({ organization: 'other', team: 'other' });
    expect(names.labelsOf('acme', 'team-0').team).toBe('team-0');
    expect(names.labelsOf('globex', 'team-0').team).toBe('other');
  });

  it('are not taken for one another where their names run together', () => {
    const names = new TeamNames();
    expect(names.labelsOf('a', 'b c')).not.toBe(names.labelsOf('a b', 'c'));
  });
});
