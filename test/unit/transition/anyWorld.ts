import fc from "fast-check";
import type { SimulatedDatabase, World } from "./world.ts";

function database(name: "shared" | "read-only"): fc.Arbitrary<SimulatedDatabase> {
  const other = name === "shared" ? ("read-only" as const) : ("shared" as const);
  return fc
    .record({
      container: fc.constantFrom(
        "running" as const,
        "running" as const,
        "stopped" as const,
        "missing" as const,
      ),
      reachable: fc.constantFrom(true, true, true, false),
      postgres: fc.constantFrom("writable" as const, "standby" as const, "closed" as const, "hung" as const),
      timeline: fc.integer({ min: 1, max: 4 }),
      lsn: fc.integer({ min: 0x1000, max: 0x1010 }),
      intentRole: fc.constantFrom("primary" as const, "standby" as const, "fenced" as const),
      transitionId: fc.constantFrom("initial", "CHG-1", "CHG-2"),
      cleanStop: fc.boolean(),
      replayPaused: fc.constantFrom(false, false, false, true),
      systemId: fc.constantFrom("7", "7", "7", "7", "8"),
      walGone: fc.constantFrom(false, false, false, true),
    })
    .map((generated) => ({
      ...generated,
      name,
      upstream: generated.intentRole === "standby" ? other : undefined,
    }));
}

/** Any world at all, also ones that should never come about. */
export const anyWorld: fc.Arbitrary<World> = fc.record({
  shared: database("shared"),
  readOnly: database("read-only"),
});

/** A deployment that works, with this database as the writable one. */
export function healthy(writable: "shared" | "read-only"): World {
  const make = (name: "shared" | "read-only"): SimulatedDatabase => ({
    name,
    container: "running",
    reachable: true,
    postgres: name === writable ? "writable" : "standby",
    timeline: 2,
    lsn: 0x1000,
    intentRole: name === writable ? "primary" : "standby",
    upstream: name === writable ? undefined : writable,
    transitionId: "initial",
    cleanStop: false,
    replayPaused: false,
    systemId: "7",
  });
  return { shared: make("shared"), readOnly: make("read-only") };
}
