import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Silence } from "../../scripts/observe/silence.ts";

describe("a node that lets an attempt run into its time limit", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const failing = (milliseconds: number) => async () => {
    vi.advanceTimersByTime(milliseconds);
    throw new Error("failed");
  };

  it("is not asked again for ten seconds, others are", async () => {
    const silence = new Silence();
    await expect(silence.ask("shared-database", failing(3000))).rejects.toThrow("failed");
    const question = vi.fn(async () => "here");
    await expect(silence.ask("shared-database", question)).rejects.toThrow("no answer a moment ago");
    expect(question).not.toHaveBeenCalled();
    expect(await silence.ask("read-only-database", question)).toBe("here");
    vi.advanceTimersByTime(9_999);
    expect(silence.isSilent("shared-database")).toBe(true);
    vi.advanceTimersByTime(1);
    expect(await silence.ask("shared-database", question)).toBe("here");
  });

  it("is one that says nothing: whoever refuses at once is asked again", async () => {
    const silence = new Silence();
    await expect(silence.ask("shared-database", failing(1499))).rejects.toThrow("failed");
    expect(await silence.ask("shared-database", async () => "here")).toBe("here");
  });
});
