// Files of a container that are read while a node replaces them. The engine looks at the size first and opens then.
import type Docker from "dockerode";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { putFiles, readContainerFile, readContainerFolder } from "../../scripts/docker/container.ts";
import { connectEngine } from "../../scripts/docker/engine.ts";
import { pins } from "../../scripts/setup/pins.ts";
import { eventually } from "../support/nodes.ts";
import { localEngine } from "../support/run.ts";

const folder = "/tmp/state";
const contents = [
  '{"state":"copying"}\n',
  '{"state":"starting","detail":"as standby of the shared database"}\n',
];

const names = Array.from({ length: 20 }, (_, index) => `state-${index}.json`);

/** Replaces files in one step each, as a node does, without a pause; the first one most often. */
const replacing = `mkdir ${folder}; cd ${folder}; echo '{"role":"standby"}' > zz-intent.json
write() { printf %s "$2" > new; mv new "$1"; }
while :; do for name in ${names.join(" ")}; do for text in "$@"; do
  write $name "$text"; write state-0.json "$text"
done; done; done`;

describe("files that are replaced while they are read", () => {
  let container: Docker.Container;

  beforeAll(async () => {
    container = await connectEngine(localEngine).createContainer({
      Image: pins.baseImage.name,
      Labels: { "pg-continuity.stack": `${inject("run").prefix}-files` },
      Cmd: ["sh", "-c", replacing, "sh", ...contents],
    });
    await container.start();
    const last = () => readContainerFile(container, `${folder}/${names.at(-1)}`);
    await eventually("every file is there", last);
  });
  afterAll(() => container?.remove({ force: true }));

  it("one file is one or the other, and never a part", async () => {
    const read = new Set<string | undefined>();
    for (let count = 0; count < 100; count++)
      read.add(await readContainerFile(container, `${folder}/${names[0]}`));
    expect([...read].sort()).toEqual([...contents].sort());
  });

  it("one that was written without an end of line is read as it is", async () => {
    await putFiles(container, folder, [{ path: "by-hand.json", content: "{}" }]);
    expect(await readContainerFile(container, `${folder}/by-hand.json`)).toBe("{}");
  });

  it("of a folder all are there each time, and whole", async () => {
    for (let count = 0; count < 80; count++) {
      const files = await readContainerFolder(container, folder, ["zz-intent.json", ...names]);
      expect(files.get("zz-intent.json")).toBe('{"role":"standby"}\n');
      for (const name of names) expect(contents).toContain(files.get(name));
    }
  });
});
