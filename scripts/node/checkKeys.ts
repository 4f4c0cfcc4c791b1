// Before nodes are configured with other keys: whether every secret of the vault can be opened with these. Asked only
// where one is dropped. Changes nothing.
//
//   environment: KEYS (fingerprints), DATABASES (JSON, [{node, docker, container}]),
//   PULUMI_COMMAND_STDOUT (what the last run has said)
import type Docker from "dockerode";
import { z } from "zod";
import { applicationDatabase } from "../../core/topology.ts";
import { connectEngine } from "../docker/engine.ts";
import { messageOf } from "../observe/container.ts";
import { databaseReady, localSql } from "./databaseState.ts";
import { required, requiredJson, runStep } from "./step.ts";

const saidSchema = z.object({ keys: z.array(z.string()) });
const databasesSchema = z.array(z.object({ node: z.string(), docker: z.string(), container: z.string() }));

await runStep("check-keys", async () => {
  const keys = required("KEYS").split(" ");
  const said = process.env.PULUMI_COMMAND_STDOUT;
  const before = said ? saidSchema.parse(JSON.parse(said)).keys : [];
  if (before.some((key) => !keys.includes(key))) await checkUnused(keys);
  return { result: "allowed", keys };
});

/** No secret may be left that none of these keys opens. */
async function checkUnused(keys: readonly string[]): Promise<void> {
  const list = keys.map((key) => `'${key}'`).join(", ");
  const question = `SELECT count(*) FROM vault.resources WHERE secret_key_id NOT IN (${list})`;
  const count = Number(await localSql(await writableDatabase(), question, applicationDatabase));
  if (count > 0)
    throw new Error(
      `refused, nothing was delivered: ${count} secrets are still encrypted with a key that would be dropped. "npm run rotate -- key" encrypts them again first.`,
    );
}

async function writableDatabase(): Promise<Docker.Container> {
  const seen: string[] = [];
  for (const { node, docker, container: name } of requiredJson("DATABASES", databasesSchema)) {
    const container = connectEngine(docker).getContainer(name);
    try {
      const ready = await databaseReady(container);
      if ("waitingFor" in ready) seen.push(`${node}: ${ready.waitingFor}`);
      else if ((await localSql(container, "SELECT pg_is_in_recovery()")) === "f") return container;
      else seen.push(`${node}: standby`);
    } catch (error) {
      seen.push(`${node}: ${messageOf(error)}`);
    }
  }
  throw new Error(
    `refused, nothing was delivered: only the writable database can say whether something is still encrypted with the key that would be dropped, and none answers (${seen.join("; ")}). Bring it back ("npm run status"), then the same command goes on.`,
  );
}
