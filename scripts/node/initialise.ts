// Makes the first database of a deployment: tells the node to be the primary, waits until it accepts connections and
// makes roles, grants and slots. A node that already has an intent keeps it (its volumes outlived the stack's state).
// One that is new on its host while another database is the writable one has moved there: it follows that one.
//
//   environment: DOCKER_URL, CONTAINER; NAME; PEERS (JSON, [{name, docker, container}]);
//   OTHER_HOSTS (JSON, [{name, docker}]: from where it may be moved here)
import { z } from "zod";
import { firstIntent } from "../../core/intent.ts";
import { databaseNames } from "../../core/vocabulary.ts";
import { execute } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { attach, findElsewhere, otherHostsSchema } from "./attachment.ts";
import { databaseReady } from "./databaseState.ts";
import { readIntent, writeIntent } from "./intentFile.ts";
import { readPeers } from "./peers.ts";
import { required, requiredJson, runStep, waitUntil } from "./step.ts";

const peersSchema = z.array(
  z.object({ name: z.enum(databaseNames), docker: z.string(), container: z.string() }),
);

await runStep("initialise", async () => {
  const containerName = required("CONTAINER");
  const container = connectEngine(required("DOCKER_URL")).getContainer(containerName);
  const name = z.enum(databaseNames).parse(required("NAME"));
  const existing = await readIntent(container);
  const known = (await readPeers(container)) ?? [];
  if (existing?.role === "standby" && existing.upstream !== undefined && !known.includes(existing.upstream))
    throw new Error(
      `this database follows ${existing.upstream} since transition ${existing.transitionId}, and the model has no such database: the current data is there. Set the model back ("pulumi config set model full"), then bring the shared database back ("pulumi config set transition restore").`,
    );
  const elsewhere = await findElsewhere(containerName, requiredJson("OTHER_HOSTS", otherHostsSchema));
  if (existing === undefined || elsewhere) {
    const peers = await Promise.all(
      requiredJson("PEERS", peersSchema).map(async ({ name, docker, container }) => {
        const peer = connectEngine(docker).getContainer(container);
        return { name, container: peer, intent: await readIntent(peer) };
      }),
    );
    const writable = peers.find(({ intent }) => intent?.role === "primary");
    if (writable)
      return { ...(await attach({ name, container }, writable, elsewhere)), upstream: writable.name };
    const follower = peers.find(({ intent }) => intent?.role === "standby" && intent.upstream === name);
    if (follower || elsewhere)
      throw new Error(
        `refused: ${elsewhere ? `this database is on host ${elsewhere.host}` : `${follower?.name} follows this database`}, and nobody else is the writable one: an empty one in its place would lose the data. Set the placement back. If its data is lost: npm run transition -- promote --id ID`,
      );
  }
  if (existing === undefined) await writeIntent(container, firstIntent("primary", new Date()));
  await waitUntil(120, () => databaseReady(container));
  const converged = await execute(container, ["converge"]);
  if (converged.exitCode !== 0) throw new Error(`converge failed: ${converged.stderr.trim()}`);
  return { result: existing === undefined ? "initialised" : "kept", state: converged.stdout.trim() };
});
