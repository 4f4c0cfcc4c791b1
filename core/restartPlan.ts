/**
 * Parameters of which a standby must have at least as much as its primary, else it pauses or does not start
 * (PostgreSQL documentation, 26.4.3): to be raised on the standby first and lowered on the primary first.
 */
export const orderedParameters = [
  "max_connections",
  "max_locks_per_transaction",
  "max_prepared_transactions",
  "max_wal_senders",
  "max_worker_processes",
] as const;

export type OrderedParameters = Readonly<Record<(typeof orderedParameters)[number], number>>;

/** A database before parameters that need a restart are applied. */
export interface RestartView {
  readonly node: string;
  /** What it runs with; undefined where PostgreSQL does not run. */
  readonly running: OrderedParameters | undefined;
  /** Whether other changed parameters wait for a restart of it. */
  readonly isPending: boolean;
}

/** One act: a node is given values for the ordered parameters, and restarted where it runs with other ones. */
export interface RestartStep {
  readonly node: string;
  readonly values: OrderedParameters;
  readonly restart: boolean;
  /** Lowered on a standby: only once it has replayed that the primary was lowered. */
  readonly afterReplay: boolean;
}

/**
 * The order in which parameters that need a restart are applied: one node at a time, and never a standby with less than
 * its primary. Safe to be begun again after any step.
 */
export function planRestarts(
  primary: RestartView,
  standby: RestartView | undefined,
  wanted: OrderedParameters,
): readonly RestartStep[] {
  const steps: RestartStep[] = [];
  let standbyRuns = standby?.running;
  if (standby) {
    const values = highest(wanted, primary.running ?? standby.running ?? wanted);
    steps.push(stepOf(standby, values));
    standbyRuns = values;
  }
  steps.push({ ...stepOf(primary, wanted), afterReplay: false });
  if (standby && standbyRuns && !same(standbyRuns, wanted))
    steps.push(stepOf({ ...standby, running: standbyRuns, isPending: false }, wanted));
  return steps;
}

function stepOf({ node, running, isPending }: RestartView, values: OrderedParameters): RestartStep {
  return {
    node,
    values,
    restart: isPending || running === undefined || !same(running, values),
    afterReplay: running !== undefined && orderedParameters.some((name) => values[name] < running[name]),
  };
}

function highest(a: OrderedParameters, b: OrderedParameters): OrderedParameters {
  return forEach((name) => Math.max(a[name], b[name]));
}

function same(a: OrderedParameters, b: OrderedParameters): boolean {
  return orderedParameters.every((name) => a[name] === b[name]);
}

/** A value for each of the ordered parameters. */
export function forEach(value: (name: (typeof orderedParameters)[number]) => number): OrderedParameters {
  return Object.fromEntries(orderedParameters.map((name) => [name, value(name)])) as OrderedParameters;
}
