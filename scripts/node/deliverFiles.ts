// Puts files into a volume, before any container of the stack uses it: through a container that is made for this, is
// never started, and is removed again. Nothing has to be known of the image that will read them. Idempotent.
//
//   environment: DOCKER_URL, VOLUME, IMAGE (any that the engine has), USER_ID (whose the files are), PROJECT, STACK
//   standard input: JSON, [{name, content, mode?}] (secret)
import { z } from "zod";
import { isStatus, putFiles } from "../docker/container.ts";
import { connectEngine } from "../docker/engine.ts";
import { readInput, required, runStep } from "./step.ts";

const filesSchema = z.array(
  z.strictObject({ name: z.string(), content: z.string(), mode: z.number().optional() }),
);

const folder = "/files";

await runStep("deliver-files", async () => {
  const files = filesSchema.parse(JSON.parse(await readInput()));
  const volume = required("VOLUME");
  const user = Number(required("USER_ID"));
  const engine = connectEngine(required("DOCKER_URL"));
  const name = `${volume}-delivery`;
  // Of a delivery that was killed.
  await engine
    .getContainer(name)
    .remove({ force: true })
    .catch((error) => {
      if (!isStatus(error, 404)) throw error;
    });
  const helper = await engine.createContainer({
    name,
    Image: required("IMAGE"),
    Labels: { "pg-continuity.project": required("PROJECT"), "pg-continuity.stack": required("STACK") },
    HostConfig: {
      Mounts: [{ Type: "volume", Source: volume, Target: folder, VolumeOptions: { NoCopy: true } as never }],
    },
  });
  try {
    await putFiles(
      helper,
      folder,
      files.map(({ name: path, content, mode }) => ({ path, content, ...(mode ? { mode } : {}) })),
      { uid: user, gid: user },
    );
  } finally {
    await helper.remove({ force: true });
  }
  return { result: "delivered", volume };
});
