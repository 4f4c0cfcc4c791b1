import type { DeployedStack } from "../scripts/cli/pulumi.ts";
import { execute } from "../scripts/docker/container.ts";
import { figuresOf } from "../scripts/drill/figures.ts";
import { measureTransition } from "../scripts/drill/swap.ts";
import { localRows } from "../scripts/load/compare.ts";
import { WriteLoad } from "../scripts/load/writeLoad.ts";
import { containerOf } from "../scripts/observe/index.ts";
import { nodeOf } from "../scripts/transition/context.ts";
import type { Measurement } from "./suite.ts";

/** How much data the rebuild copies: enough that its start and end do not decide, in megabytes. */
const rebuildMegabytes = 4096;

/** Rebuilds against plain pg_basebackup of the same data over the same network, alternating. */
export async function rebuildMeasurements(
  stack: DeployedStack,
  runs: number,
  say: (line: string) => void,
): Promise<readonly Measurement[]> {
  const shared = nodeOf(stack, "shared");
  const rows = rebuildMegabytes * 1000;
  await localRows(
    shared,
    "postgres",
    `CREATE TABLE bench AS SELECT repeat(md5(n::text), 31) AS filling FROM generate_series(1, ${rows}) n`,
  );
  await localRows(shared, "postgres", "ALTER TABLE bench SET (autovacuum_enabled = false)");
  // Else the first copy would wait for the table to be written.
  await localRows(shared, "postgres", "CHECKPOINT");
  const plain: number[] = [];
  const rebuilds: number[] = [];
  const idle = await WriteLoad.start(stack, { clients: 1, pauseMs: 100 });
  try {
    for (let run = 1; run <= runs; run++) {
      plain.push(await plainBaseBackup(stack));
      const { evidence } = await measureTransition(stack, idle, {
        goal: { transition: "rebuild", transitionId: `bench-${run}` },
        progress: () => undefined,
      });
      const copied = evidence.steps.reduce((sum, { seconds }) => sum + seconds, 0);
      rebuilds.push(copied);
      say(
        `rebuild ${run} of ${runs}: ${copied.toFixed(2)} s, plain pg_basebackup ${plain.at(-1)?.toFixed(2)} s`,
      );
    }
  } finally {
    await idle.stop();
  }
  const median = figuresOf(plain)?.p50 ?? 0;
  return [
    { what: `plain pg_basebackup, ${rebuildMegabytes} MB`, seconds: plain, parts: [] },
    {
      what: `rebuild, ${rebuildMegabytes} MB, until it streams`,
      seconds: rebuilds,
      targetSeconds: median / 0.9,
      parts: [],
    },
  ];
}

async function plainBaseBackup(stack: DeployedStack): Promise<number> {
  const target = "/var/lib/postgresql/bench";
  const script = `. /usr/local/lib/pg-continuity/common.sh
    rm -rf ${target}
    began=$(date +%s.%N)
    pg_basebackup --dbname="$(peer_conninfo shared replication replication)" --pgdata=${target} --wal-method=stream --checkpoint=fast --no-password >&2 || exit 1
    ended=$(date +%s.%N)
    rm -rf ${target}
    echo "$began $ended"`;
  const { exitCode, stdout, stderr } = await execute(containerOf(nodeOf(stack, "read-only")), [
    "bash",
    "-c",
    script,
  ]);
  if (exitCode !== 0) throw new Error(`pg_basebackup: ${stderr.trim()}`);
  const [began = 0, ended = 0] = stdout.trim().split(" ").map(Number);
  return ended - began;
}
