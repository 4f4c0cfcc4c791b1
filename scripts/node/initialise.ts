// Makes the first database of a deployment: tells the node to be the primary, waits until it accepts connections and
// makes roles, grants and slots. A node that already has an intent keeps it (its volumes outlived the stack's state).
//
//   environment: DOCKER_URL, CONTAINER
import { firstIntent } from "../../core/intent.ts";
import { execute } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { databaseReady } from "./databaseState.ts";
import { readIntent, writeIntent } from "./intentFile.ts";
import { readPeers } from "./peers.ts";
import { required, runStep, waitUntil } from "./step.ts";

await runStep("initialise", async () => {
  const container = connectEngine(required("DOCKER_URL")).getContainer(required("CONTAINER"));
  const existing = await readIntent(container);
  const peers = (await readPeers(container)) ?? [];
  if (existing?.role === "standby" && existing.upstream !== undefined && !peers.includes(existing.upstream))
    throw new Error(
      `this database follows ${existing.upstream} since transition ${existing.transitionId}, and the model has no such database: the current data is there. Set the model back ("pulumi config set model full"), then bring the shared database back ("pulumi config set transition restore").`,
    );
  if (existing === undefined) await writeIntent(container, firstIntent("primary", new Date()));
  await waitUntil(120, () => databaseReady(container));
  const converged = await execute(container, ["converge"]);
  if (converged.exitCode !== 0) throw new Error(`converge failed: ${converged.stderr.trim()}`);
  return { result: existing === undefined ? "initialised" : "kept", state: converged.stdout.trim() };
});
