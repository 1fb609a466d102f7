import type { SharedBudget } from '../database/budget.repository.js';
import { withBudgets } from './cli.context.js';
import { formatUsd, InputError, InputReader } from './input.js';
import { formatTable } from './table.js';

type Options = Readonly<Record<string, unknown>>;

/** `aegis budgets set`. */
export async function setBudget(options: Options): Promise<void> {
  const budget = readBudget(options);
  await withBudgets(async (budgets) => {
    const done = await budgets.set(budget);
    if (done === null) throw new InputError([`There is no ${nameOf(budget)}; keygen makes it with its first key`]);
    if (!done.told) {
      process.stderr.write('Redis was not reached or is not configured: running gateways follow within seconds.\n');
    }
    process.stdout.write(options.json === true ? `${JSON.stringify(toJson(budget))}\n` : `${describe(budget)}\n`);
  });
}

/** `aegis budgets list`. */
export async function listBudgets(options: Options): Promise<void> {
  await withBudgets(async (budgets) => {
    const all = await budgets.list();
    if (options.json === true) process.stdout.write(`${JSON.stringify(all.map(toJson))}\n`);
    else if (all.length === 0) process.stdout.write('No team or organization has a budget.\n');
    else {
      const rows = all.map(({ organization, team, budgetNanoUsd, budgetWindow }) => [
        organization,
        team ?? '(all)',
        formatUsd(budgetNanoUsd ?? 0n),
        budgetWindow ?? '',
      ]);
      process.stdout.write(formatTable([['ORG', 'TEAM', 'USD', 'WINDOW'], ...rows]));
    }
  });
}

/** Throws `InputError` with everything that is wrong. */
export function readBudget(options: Options): SharedBudget {
  const input = new InputReader(options);
  const organization = input.name('org', { required: true });
  const team = input.name('team', { required: false });
  const isCleared = input.text('usd') === 'none';
  const budgetNanoUsd = isCleared ? null : input.usdAsNano('usd');
  const budgetWindow = input.budgetWindow('window');
  if (input.text('usd') === null) input.problem('--usd is missing: give an amount, or none');
  if (isCleared && budgetWindow !== null) input.problem('--window says nothing without a budget');
  input.assertValid();
  if (organization === null) throw new Error('a required name passed as missing');
  return { organization, team, budgetNanoUsd, budgetWindow: budgetNanoUsd === null ? null : (budgetWindow ?? 'month') };
}

function toJson({ organization, team, budgetNanoUsd, budgetWindow }: SharedBudget): object {
  const amount = budgetNanoUsd === null ? null : formatUsd(budgetNanoUsd);
  return { organization, team, budget_usd: amount, budget_window: budgetWindow };
}

function nameOf({ organization, team }: SharedBudget): string {
  return team === null ? `organization "${organization}"` : `team "${team}" in organization "${organization}"`;
}

function describe(budget: SharedBudget): string {
  const { budgetNanoUsd, budgetWindow } = budget;
  const allowed =
    budgetNanoUsd === null
      ? 'may spend without a limit'
      : `may spend ${formatUsd(budgetNanoUsd)} USD a ${budgetWindow}`;
  return `The ${nameOf(budget)} ${allowed}.`;
}
