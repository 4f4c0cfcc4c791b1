import { describe, expect, it } from "vitest";
import { coloursFor } from "../../scripts/cli/colours.ts";

describe("colours", () => {
  const terminal = { isTTY: true } as const;
  const file = {} as { isTTY: boolean };

  it.each([
    ["a terminal", terminal, {}, true],
    ["a terminal whose person wants none", terminal, { NO_COLOR: "1" }, false],
    ["a file", file, {}, false],
    ["a file in a CI run", file, { CI: "true" }, false],
  ])("%s", (_name, stream, environment, coloured) => {
    const { isColorSupported, green } = coloursFor(stream, environment);
    expect([isColorSupported, green("ok") !== "ok"]).toEqual([coloured, coloured]);
  });
});
