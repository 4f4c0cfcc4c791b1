import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import { judge } from "../../core/status.ts";
import { statusSchema } from "../../core/statusSchema.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { healthyObservation, topologyOf } from "../support/fixtures.ts";

it("a status is what its schema says", () => {
  const status = judge(topologyOf(), healthyObservation(topologyOf()));
  expect(statusSchema.parse(JSON.parse(JSON.stringify(status)))).toEqual(status);
  expect(statusSchema.safeParse({ ...status, verdict: "good" }).success).toBe(false);
});

// vitest run -u test/unit/statusSchema writes the file anew.
it("docs/status.schema.json is that schema", async () => {
  const schema = { title: "npm run status -- --json", ...z.toJSONSchema(statusSchema) };
  const file = join(projectFolder, "docs", "status.schema.json");
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(file);
});
