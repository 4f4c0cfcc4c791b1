// Attaches the read-only database to the shared one: arms the guards on both sides, tells the node to follow, and
// waits until it streams. A node that already has an intent keeps it.
//
//   environment: DOCKER_URL, CONTAINER, NAME (the replica); UPSTREAM_DOCKER_URL, UPSTREAM_CONTAINER, UPSTREAM_NAME
import { firstIntent } from "../../core/intent.ts";
import { databaseNames } from "../../core/vocabulary.ts";
import { connectEngine } from "../docker/engine.ts";
import { databaseReady, localSql } from "./databaseState.ts";
import { armGuard, readIntent, writeIntent } from "./intentFile.ts";
import { required, runStep, waitUntil } from "./step.ts";

const oneHour = 3600;

await runStep("attach-replica", async () => {
  const name = required("NAME");
  const upstreamName = databaseNames.find((known) => known === required("UPSTREAM_NAME"));
  if (!upstreamName) throw new Error(`UPSTREAM_NAME names no database: ${required("UPSTREAM_NAME")}`);
  const replica = connectEngine(required("DOCKER_URL")).getContainer(required("CONTAINER"));
  const upstream = connectEngine(required("UPSTREAM_DOCKER_URL")).getContainer(
    required("UPSTREAM_CONTAINER"),
  );

  const existing = await readIntent(replica);
  if (existing === undefined) {
    await armGuard(upstream, [name]);
    await armGuard(replica, [upstreamName]);
    await writeIntent(replica, firstIntent({ standbyOf: upstreamName }, new Date()));
  }
  await waitUntil(oneHour, () => databaseReady(replica));
  if (existing !== undefined && existing.role !== "standby") return { result: "kept", role: existing.role };
  await waitUntil(60, async () => {
    const status = await localSql(
      replica,
      "SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), 'none')",
    );
    return status === "streaming"
      ? { done: true }
      : { waitingFor: `streaming to begin (WAL receiver: ${status})` };
  });
  return { result: existing === undefined ? "attached" : "kept", role: "standby" };
});
