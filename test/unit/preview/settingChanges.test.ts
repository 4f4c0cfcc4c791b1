import { describe, expect, it } from "vitest";
import { settingChanges } from "../../../core/preview/settingChanges.ts";
import { settingsOf } from "../../support/fixtures.ts";

const url = (value: string) => settingsOf({ alerts: { webhook: { url: value } } });

describe("settings that differ", () => {
  it("are named by their path", () => {
    expect(settingChanges(settingsOf({}), settingsOf({ alerts: { diskPercent: 90 } }))).toEqual([
      { key: "alerts.diskPercent", before: "85", after: "90" },
    ]);
  });

  it.each([
    ["set", "", "https://hooks.example.com/A", [{ before: "", after: "[secret]" }]],
    ["set, seen from outside", "", "[secret]", [{ before: "", after: "[secret]" }]],
    [
      "changed",
      "https://hooks.example.com/A",
      "https://hooks.example.com/B",
      [{ before: "[secret]", after: "[secret]" }],
    ],
    ["perhaps changed", "https://hooks.example.com/A", "[secret]", []],
    ["removed", "https://hooks.example.com/A", "", [{ before: "[secret]", after: "" }]],
  ])("never show a secret that is %s", (_, before, after, expected) => {
    expect(settingChanges(url(before), url(after))).toEqual(
      expected.map((change) => ({ key: "alerts.webhook.url", ...change })),
    );
  });
});
