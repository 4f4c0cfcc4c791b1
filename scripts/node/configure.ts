// Delivers a node's configuration folder into its running container and makes it take effect, without restarting
// anything. Idempotent; an interrupted delivery leaves the folder that was there.
//
//   environment: DOCKER_URL, CONTAINER, KIND (database | server | gateway | backup), FINGERPRINT (name of the folder)
//   standard input: JSON, [{name, content, mode?}] (secret)
import { z } from "zod";
import { configurationFolder, stateFolder } from "../../core/render/files.ts";
import { execute, putFiles, signalMain } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { readInput, required, runStep, waitUntil } from "./step.ts";

const filesSchema = z.array(
  z.strictObject({ name: z.string(), content: z.string(), mode: z.number().optional() }),
);

/** How each kind of node is told that its configuration has changed. */
const signals = { server: "HUP", gateway: "USR2", backup: "USR1" } as const;

await runStep("configure", async () => {
  const files = filesSchema.parse(JSON.parse(await readInput()));
  const kind = z.enum(["database", "server", "gateway", "backup"]).parse(required("KIND"));
  const folder = `config.${required("FINGERPRINT")}`;
  const container = connectEngine(required("DOCKER_URL")).getContainer(required("CONTAINER"));

  await waitUntil(30, async () => {
    const { State } = await container.inspect();
    return State.Running ? { done: true } : { waitingFor: `the container to run (it is ${State.Status})` };
  });
  await putFiles(container, stateFolder, [
    { path: `${folder}/` },
    ...files.map(({ name, content, mode }) => ({
      path: `${folder}/${name}`,
      content,
      ...(mode ? { mode } : {}),
    })),
  ]);
  // The link is swapped in one step; older folders go once nothing points at them.
  const swap =
    'ln -sfn "$1" config.new && mv -T config.new config && for old in config.*; do [ "$old" = "$1" ] || rm -rf "$old"; done';
  const swapped = await execute(container, ["sh", "-c", `cd ${stateFolder} && ${swap}`, "sh", folder]);
  if (swapped.exitCode !== 0)
    throw new Error(`${configurationFolder} could not be swapped: ${swapped.stderr.trim()}`);

  if (kind !== "database") {
    await signalMain(container, signals[kind]);
    return { result: "delivered", folder };
  }
  const converged = await execute(container, ["converge"]);
  if (converged.exitCode !== 0) throw new Error(`converge failed: ${converged.stderr.trim()}`);
  return { result: converged.stdout.trim(), folder };
});
