import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { configNamespace, parseSettings, settingsSchema } from "../../core/settings.ts";
import { shapeOf } from "../../core/settingsShape.ts";
import { type DeclaredKey, renderSettingsTable, withTable } from "../../core/settingsTable.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import { rawConfig } from "../support/fixtures.ts";

const fileOf = (...path: string[]) => readFileSync(join(projectFolder, ...path), "utf8");
const declared: Readonly<Record<string, DeclaredKey>> = parse(fileOf("Pulumi.yaml")).config;

describe("settings are declared in three places that say the same", () => {
  it("Pulumi.yaml and the schema have the same keys, types and defaults", () => {
    const { properties = {} } = shapeOf(settingsSchema);
    const types = Object.entries(properties).map(([key, { type }]) => [`${configNamespace}:${key}`, type]);
    expect(Object.fromEntries(Object.entries(declared).map(([key, { type }]) => [key, type]))).toEqual(
      Object.fromEntries(types),
    );
    const defaults = Object.entries(declared).map(([key, { default: value }]) => [
      key.slice(configNamespace.length + 1),
      value,
    ]);
    expect(parseSettings(rawConfig(Object.fromEntries(defaults)))).toEqual(parseSettings({}));
    for (const { description } of Object.values(declared)) expect(description.length).toBeGreaterThan(20);
  });

  it('docs/configuration.md has their table: "npm run docs" writes it', () => {
    const page = fileOf("docs", "configuration.md");
    expect(page).toBe(withTable(page, renderSettingsTable(declared, settingsSchema, configNamespace)));
  });

  it("the table says what each kind of value may be", () => {
    const schema = z.strictObject({
      mode: z.enum(["a", "b"]).default("a"),
      limits: z.strictObject({ low: z.number().int().min(1).max(9).default(3) }).prefault({}),
      names: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
      list: z.array(z.boolean()).default([]),
    });
    const key = (type: string, value: unknown) => ({
      type,
      description: `what | ${type} is`,
      default: value,
    });
    const table = renderSettingsTable(
      {
        "x:mode": key("string", "a"),
        "x:limits": key("object", {}),
        "x:names": key("object", {}),
        "x:list": key("array", []),
      },
      schema,
      "x",
    );
    expect(table.split("\n").slice(2)).toEqual([
      "| `mode` | string | `a` | a, b | what \\| string is |",
      "| `limits` | object | `{}` | see below | what \\| object is |",
      "| `limits.low` | integer | `3` | 1 to 9 |  |",
      "| `names` | object | `{}` | {NAME: text or number} | what \\| object is |",
      "| `list` | array | `[]` | [true, false, …] | what \\| array is |",
    ]);
  });

  it("a page without markers is refused", () => {
    expect(() => withTable("# Nothing", "")).toThrow(/has no lines/);
  });
});

it("docs/models.md shows what is said where the model secondary is asked for what needs a replica", () => {
  const asked = { model: "secondary", transition: "promote", transitionId: "CHG-1042", synchronous: true };
  const page = fileOf("docs", "models.md").replaceAll("\n    ", "\n");
  expect(() => parseSettings(rawConfig(asked))).toThrow(
    expect.objectContaining({ message: expect.toSatisfy((said: string) => page.includes(said)) }),
  );
});

describe.each(["dev", "staging", "production"])("Pulumi.%s.yaml", (stack) => {
  it("is right as it is", () => {
    const { config = {} }: { config?: Record<string, unknown> } = parse(fileOf(`Pulumi.${stack}.yaml`));
    const keys = Object.keys(config);
    expect(keys.filter((key) => !(key in declared))).toEqual([]);
    const own = Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key.slice(configNamespace.length + 1), value]),
    );
    expect(() => parseSettings(rawConfig(own))).not.toThrow();
  });
});
