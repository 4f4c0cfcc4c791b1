import { describe, expect, it } from "vitest";
import type { PostgresObservation } from "../../core/observation.ts";
import { follows, viewOf } from "../../core/transition/view.ts";
import { healthyObservation, observedDatabase, topologyOf, withDatabase } from "../support/fixtures.ts";

describe("follows", () => {
  function readOnlyFollows(postgres: Partial<PostgresObservation>): boolean {
    const observation = withDatabase(healthyObservation(topologyOf()), "read-only", () =>
      observedDatabase("read-only", postgres),
    );
    const [shared, readOnly] = [viewOf(observation, "shared"), viewOf(observation, "read-only")];
    if (!shared || !readOnly) throw new Error("a full model has both");
    return follows(readOnly, shared);
  }

  it("is so of a standby that streams its upstream's timeline", () => {
    expect(readOnlyFollows({})).toBe(true);
  });

  it("is not yet so while it streams what is left of an older timeline", () => {
    expect(readOnlyFollows({ timeline: 0 })).toBe(false);
  });

  it("is not so when only the sender thinks that it streams", () => {
    expect(readOnlyFollows({ streaming: false })).toBe(false);
  });
});
