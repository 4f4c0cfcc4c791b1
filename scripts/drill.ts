// Switches over and back under load on a running stack, and judges the result: npm run drill [-- --runs N] [--stack NAME]
import { Command } from "commander";
import { judge } from "../core/status.ts";
import { colours, errorColours } from "./cli/colours.ts";
import { main, stackName } from "./cli/main.ts";
import { type DeployedStack, readStack } from "./cli/pulumi.ts";
import { newTable } from "./cli/statusTable.ts";
import { type Figures, figuresOf, secondsText } from "./drill/figures.ts";
import { type MeasuredTransition, measureTransition } from "./drill/swap.ts";
import { type Comparison, compareEverywhere } from "./load/compare.ts";
import { WriteLoad } from "./load/writeLoad.ts";
import { observe } from "./observe/index.ts";

const program = new Command("drill")
  .description(
    "Promotes the read-only database and restores the shared one, under a write load at the gateway, and compares every acknowledged write. Made for a schedule. The writes of the load (named load-…) stay in the database.",
  )
  .option("--stack <name>", "the stack (default: dev)")
  .option("--runs <number>", "how often to promote and restore", Number, 1)
  .option("--clients <number>", "writing clients", Number, 8)
  .option("--pause-ms <number>", "pause of each client between two writes", Number, 5)
  .option("--target-seconds <number>", "longest write gap that passes, at the 95th percentile", Number, 0.5)
  .option("--json", "print JSON instead of a table")
  .addHelpText(
    "after",
    "\nExit codes: 0 within the target, nothing lost; 1 an error; 3 not started, the stack is not as declared; 5 the target was missed, a request failed, or a write was lost or doubled.",
  );

interface Options {
  readonly stack?: string;
  readonly runs: number;
  readonly clients: number;
  readonly pauseMs: number;
  readonly targetSeconds: number;
  readonly json?: true;
}

/** All that a drill found out. */
interface Report {
  readonly stack: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly clients: number;
  readonly targetSeconds: number;
  readonly verdict: "passed" | "failed";
  readonly reasons: readonly string[];
  readonly acknowledged: number;
  readonly lost: number;
  readonly doubled: number;
  readonly failedRequests: number;
  readonly transitions: Readonly<Record<string, { gap: Figures | null; streaming: Figures | null }>>;
}

await main(async () => {
  const options = program.parse().opts<Options>();
  const stack = await readStack(stackName(options.stack));
  const status = judge(stack.topology, await observe(stack.topology, stack.access));
  if (status.verdict !== "ok" || status.phase !== "normal") {
    process.stderr.write(
      `the drill was not started: stack ${stack.name} is ${status.verdict}, phase ${status.phase}. See "npm run status".\n`,
    );
    return 3;
  }
  const report = await drill(stack, options);
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : render(report));
  return report.verdict === "passed" ? 0 : 5;
});

async function drill(stack: DeployedStack, options: Options): Promise<Report> {
  const startedAt = new Date().toISOString();
  const load = await WriteLoad.start(stack, options);
  const runs: MeasuredTransition[] = [];
  try {
    for (let run = 1; run <= options.runs; run++)
      for (const transition of ["promote", "restore"] as const) {
        const transitionId = `drill-${startedAt}-${run}`;
        const progress = (text: string) => process.stderr.write(errorColours.dim(`${text}\n`));
        const measured = await measureTransition(stack, load, {
          goal: { transition, transitionId },
          progress,
        });
        process.stderr.write(
          `${run}/${options.runs} ${transition}: writes waited ${secondsText(measured.gatewayGapSeconds)}, ${measured.failedRequests} failed requests, streaming after ${secondsText(measured.streamingSeconds)}\n`,
        );
        runs.push(measured);
      }
  } finally {
    await load.stop();
  }
  const compared = Object.values(await compareEverywhere(load, stack.topology));
  return reportOf(stack.name, startedAt, options, load, runs, compared);
}

function reportOf(
  stack: string,
  startedAt: string,
  options: Options,
  load: WriteLoad,
  runs: readonly MeasuredTransition[],
  compared: readonly Comparison[],
): Report {
  const figures = Object.fromEntries(
    (["promote", "restore"] as const).map((name) => {
      const own = runs.filter(({ transition }) => transition === name);
      return [
        name,
        {
          gap: figuresOf(own.map(({ gatewayGapSeconds }) => gatewayGapSeconds)),
          streaming: figuresOf(own.flatMap(({ streamingSeconds }) => streamingSeconds ?? [])),
        },
      ];
    }),
  );
  const sum = (count: (comparison: Comparison) => number) =>
    compared.reduce((total, comparison) => total + count(comparison), 0);
  const lost = sum((comparison) => comparison.lost.length);
  const doubled = sum((comparison) => comparison.doubled.length);
  const failedRequests = load.failed.length;
  const reasons = [
    ...Object.entries(figures).flatMap(([name, { gap }]) =>
      gap !== null && gap.p95 > options.targetSeconds
        ? [
            `${name}: the 95th percentile of the write gap is ${secondsText(gap.p95)}, the target ${secondsText(options.targetSeconds)}`,
          ]
        : [],
    ),
    ...(lost > 0 ? [`${lost} acknowledged writes are lost`] : []),
    ...(doubled > 0 ? [`${doubled} writes are there twice`] : []),
    ...(failedRequests > 0 ? [`${failedRequests} requests failed: ${failures(load)}`] : []),
  ];
  return {
    stack,
    startedAt,
    endedAt: new Date().toISOString(),
    clients: options.clients,
    targetSeconds: options.targetSeconds,
    verdict: reasons.length === 0 ? "passed" : "failed",
    reasons,
    acknowledged: load.acknowledged.length,
    lost,
    doubled,
    failedRequests,
    transitions: figures,
  };
}

function failures(load: WriteLoad): string {
  return [...new Set(load.failed.map(({ status, detail }) => `${status} ${detail}`))].slice(0, 3).join("; ");
}

function render(report: Report): string {
  const table = newTable([
    "transition",
    "runs",
    "gap p50",
    "gap p95",
    "gap max",
    "streaming p50",
    "streaming max",
  ]);
  for (const [name, { gap, streaming }] of Object.entries(report.transitions))
    table.push([
      name,
      gap?.count ?? 0,
      secondsText(gap?.p50),
      secondsText(gap?.p95),
      secondsText(gap?.max),
      secondsText(streaming?.p50),
      secondsText(streaming?.max),
    ]);
  const verdict = report.verdict === "passed" ? colours.green("passed") : colours.red("FAILED");
  return [
    table.toString(),
    `${report.acknowledged} writes acknowledged, ${report.lost} lost, ${report.doubled} doubled, ${report.failedRequests} requests failed`,
    `target: write gap p95 of at most ${secondsText(report.targetSeconds)}`,
    `verdict: ${verdict}`,
    ...report.reasons.map((reason) => `  - ${reason}`),
    "",
  ].join("\n");
}
