import { describe, expect, it } from "vitest";
import { handOutConfig, isSameConfig } from "../support/leftOver.ts";

const first = { passwords: [1], certificates: [1], key: [1], token: [1] } as const;
const made = { "pg-continuity:ports": { gateway: 1 } };

describe("a shared deployment is handed out", () => {
  it("with the config that it was made with, whatever a file has left there", () => {
    expect(handOutConfig(made, first)).toEqual(made);
    expect(isSameConfig(made, { ...made, "pg-continuity:transition": "promote" })).toBe(false);
    const credentials = { key: [1] };
    expect(isSameConfig(made, { "pg-continuity:credentials": credentials, ...made })).toBe(true);
    expect(isSameConfig(made, { "pg-continuity:credentials": { key: [1, 2] }, ...made })).toBe(false);
  });

  it("with the generations of its credentials, which only count upwards; an announced one is taken back", () => {
    const applied = { ...first, passwords: [3], key: [1, 2], certificates: [2, 1] } as const;
    expect(handOutConfig(made, applied)).toEqual({
      ...made,
      "pg-continuity:credentials": { passwords: [3], certificates: [2, 1], key: [1], token: [1] },
    });
  });
});
