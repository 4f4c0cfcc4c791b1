// After a replica was removed by a change of the model: drops its slot on the database that fed it, and tells that
// database's guard that it need not be asked any more. Where that database is still configured to feed the replica the
// stack is only being taken down, and all stays.
//
//   environment: NAME, SLOT (the replica's); UPSTREAM_DOCKER_URL, UPSTREAM_CONTAINER
import { connectEngine } from "../docker/engine.ts";
import { databaseReady, localSql } from "./databaseState.ts";
import { armGuard } from "./intentFile.ts";
import { readPeers } from "./peers.ts";
import { required, runStep, waitUntil } from "./step.ts";

await runStep("release-replica", async () => {
  const name = required("NAME");
  const slot = required("SLOT");
  const upstream = connectEngine(required("UPSTREAM_DOCKER_URL")).getContainer(
    required("UPSTREAM_CONTAINER"),
  );
  const peers = await readPeers(upstream);
  if (peers === undefined) return { result: "was-gone", slot };
  if (peers.includes(name)) return { result: "kept", slot };
  // The sender of a replica that ended without a word gives up after wal_sender_timeout.
  await waitUntil(60, async () => {
    const ready = await databaseReady(upstream);
    if ("waitingFor" in ready) return ready;
    await localSql(
      upstream,
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${slot}' AND NOT active`,
    );
    const left = await localSql(
      upstream,
      `SELECT count(*) FROM pg_replication_slots WHERE slot_name = '${slot}'`,
    );
    return left === "0" ? { done: true } : { waitingFor: `the replica to let go of slot ${slot}` };
  });
  await armGuard(upstream, peers);
  return { result: "released", slot };
});
