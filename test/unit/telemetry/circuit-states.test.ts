import { CircuitStates } from '../../../src/telemetry/circuit-states.js';
import { targetOf } from '../../support/targets.js';

const east = targetOf('azure_openai', { target: { id: 'azure_openai/upstream-model/east', deployment: 'east' } });
const west = targetOf('azure_openai', { target: { id: 'azure_openai/upstream-model/west', deployment: 'west' } });

describe('the circuits of several deployments of one model', () => {
  it('are kept each for itself, and the worst of them is told', () => {
    const circuits = new CircuitStates();
    circuits.note(east, 'open');
    circuits.note(west, 'open');
    circuits.note(west, 'half_open');
    expect(circuits.worst('azure_openai', 'upstream-model')).toBe('open');
    circuits.note(west, 'closed');
    expect(circuits.worst('azure_openai', 'upstream-model')).toBe('open');
    circuits.note(east, 'closed');
    expect(circuits.worst('azure_openai', 'upstream-model')).toBe('closed');
  });
});
