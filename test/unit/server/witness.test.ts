import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Witness } from "../../../server/databases/witness.ts";

const log = pino({ level: "silent" });
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pgc-witness-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("Witness", () => {
  test("should remember the highest timeline of each system across restarts", async () => {
    const witness = await Witness.open(join(folder, "state"), log);
    expect([witness.systemId, witness.highestTimeline(null)]).toEqual([null, null]);
    await witness.observe("111", 2);
    await witness.observe("222", 1);
    await witness.observe("111", 1);
    const again = await Witness.open(join(folder, "state"), log);
    expect([...again.highest]).toEqual([
      ["111", 2],
      ["222", 1],
    ]);
    expect(again.systemId).toBe("111");
    expect(await readdir(join(folder, "state"))).toEqual(["witness.json"]);
  });

  test("should be on disk when observe resolves, in the order seen", async () => {
    const witness = await Witness.open(folder, log);
    await Promise.all([witness.observe("111", 1), witness.observe("111", 3), witness.observe("111", 2)]);
    expect(JSON.parse(await readFile(join(folder, "witness.json"), "utf8"))).toMatchObject({
      systems: { "111": { highestTimeline: 3 } },
    });
  });

  test("should not forget silently when its file is damaged", async () => {
    await writeFile(join(folder, "witness.json"), "{");
    await expect(Witness.open(folder, log)).rejects.toThrow(/witness\.json: .* then remove the file/);
  });

  test("should go on in memory when the disk cannot be written", async () => {
    const witness = await Witness.open(join(folder, "state"), log);
    await rm(join(folder, "state"), { recursive: true });
    await witness.observe("111", 4);
    expect(witness.highestTimeline("111")).toBe(4);
  });
});
