import { describe, expect, it } from "vitest";
import { firstIntent, type Intent } from "../../core/intent.ts";
import { replacementOrder, writableAsTold } from "../../core/replacementOrder.ts";
import type { Model } from "../../core/vocabulary.ts";
import { topologyOf } from "../support/fixtures.ts";

describe("the order in which containers are made anew", () => {
  it.each<[Model, "shared" | "read-only", readonly string[]]>([
    [
      "full",
      "shared",
      [
        "read-only-database",
        "shared-database",
        "secondary-server",
        "primary-server",
        "read-only-server",
        "gateway",
      ],
    ],
    [
      "full",
      "read-only",
      [
        "shared-database",
        "read-only-database",
        "secondary-server",
        "primary-server",
        "read-only-server",
        "gateway",
      ],
    ],
    ["secondary", "shared", ["shared-database", "secondary-server", "primary-server", "gateway"]],
    [
      "read-only",
      "shared",
      ["read-only-database", "shared-database", "primary-server", "read-only-server", "gateway"],
    ],
  ])("%s, writable is %s", (model, writable, order) => {
    expect(replacementOrder(topologyOf({ model }), writable)).toEqual(order);
  });
});

describe("who is writable, as the nodes were told", () => {
  const early = new Date("2026-01-01T00:00:00Z");
  const late = new Date("2026-01-02T00:00:00Z");
  const primary = (at: Date): Intent => firstIntent("primary", at);

  it.each<[string, Parameters<typeof writableAsTold>[0], string]>([
    ["nobody can be asked", {}, "shared"],
    [
      "normal",
      { shared: primary(early), "read-only": firstIntent({ standbyOf: "shared" }, early) },
      "shared",
    ],
    [
      "promoted",
      { shared: firstIntent({ standbyOf: "read-only" }, late), "read-only": primary(late) },
      "read-only",
    ],
    [
      "promoted while the old primary was away",
      { shared: primary(early), "read-only": primary(late) },
      "read-only",
    ],
    [
      "restored while the acting primary was away",
      { shared: primary(late), "read-only": primary(early) },
      "shared",
    ],
    ["promoted, the other cannot be asked", { "read-only": primary(late) }, "read-only"],
  ])("%s", (_name, intents, writable) => {
    expect(writableAsTold(intents)).toBe(writable);
  });
});
