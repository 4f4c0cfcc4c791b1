// Attaches the read-only database to the shared one: arms the guards on both sides, tells the node to follow, and
// waits until it streams.
//
//   environment: DOCKER_URL, CONTAINER, NAME (the replica); UPSTREAM_DOCKER_URL, UPSTREAM_CONTAINER, UPSTREAM_NAME;
//   OTHER_HOSTS (JSON, [{name, docker}]: from where it may be moved here)
import { type DatabaseName, databaseNames } from "../../core/vocabulary.ts";
import { connectEngine } from "../docker/engine.ts";
import { attach, findElsewhere, otherHostsSchema } from "./attachment.ts";
import { required, requiredJson, runStep } from "./step.ts";

await runStep("attach-replica", async () => {
  const containerName = required("CONTAINER");
  const elsewhere = await findElsewhere(containerName, requiredJson("OTHER_HOSTS", otherHostsSchema));
  return attach(
    {
      name: databaseName("NAME"),
      container: connectEngine(required("DOCKER_URL")).getContainer(containerName),
    },
    {
      name: databaseName("UPSTREAM_NAME"),
      container: connectEngine(required("UPSTREAM_DOCKER_URL")).getContainer(required("UPSTREAM_CONTAINER")),
    },
    elsewhere,
  );
});

function databaseName(variable: string): DatabaseName {
  const given = required(variable);
  const name = databaseNames.find((known) => known === given);
  if (!name) throw new Error(`${variable} names no database: ${given}`);
  return name;
}
