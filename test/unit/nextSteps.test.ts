import { describe, expect, it } from "vitest";
import { type NextSteps, nextSteps } from "../../core/nextSteps.ts";
import { known, unknown } from "../../core/observation.ts";
import { parseSettings } from "../../core/settings.ts";
import { judge } from "../../core/status.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { healthyObservation, rawConfig, topologyOf, withDatabase } from "../support/fixtures.ts";

const topology = topologyOf();
const healthy = healthyObservation(topology);

const adviceOf = (observation: typeof healthy, writable: DatabaseName | null): NextSteps | null =>
  nextSteps(topology, judge(topology, observation), writable);
const without = (name: DatabaseName) =>
  withDatabase(healthy, name, (database) => ({
    ...database,
    container: known({ state: "stopped" as const }),
    postgres: unknown<never>("refused"),
  }));
const commandsOf = (next: NextSteps | null) => next?.steps.flatMap(({ commands }) => commands) ?? [];

describe("what to do next", () => {
  it("is nothing while everything is as declared", () => {
    expect(adviceOf(healthy, "shared")).toBeNull();
  });

  it("without a writable database: start it, else promote, and nothing by hand", () => {
    const next = adviceOf(without("shared"), null);
    expect(next?.avoid.join()).toContain("pg_promote");
    expect(commandsOf(next)).toEqual([
      "docker start pg-continuity-unit-shared-database",
      "npm run up -- --stack unit",
      "pulumi config set transition promote",
      "pulumi config set transitionId CHG-NUMBER",
      "pulumi preview",
      "pulumi config set allowDataLoss CHG-NUMBER",
      "pulumi up",
    ]);
  });

  it("without the replica: start it, else rebuild", () => {
    const commands = commandsOf(adviceOf(without("read-only"), "shared"));
    expect(commands.slice(0, 2)).toEqual([
      "docker start pg-continuity-unit-read-only-database",
      "npm run up -- --stack unit",
    ]);
    expect(commands).toContain("pulumi config set transition rebuild");
  });

  it("after a promotion: restore, and no old data as a primary", () => {
    const promoted = withDatabase(without("shared"), "read-only", (database) => ({
      ...database,
      postgres: database.postgres.known
        ? known({ ...database.postgres.value, inRecovery: false, timeline: 2 })
        : database.postgres,
    }));
    const next = adviceOf(promoted, "read-only");
    expect(next?.avoid.join()).toContain("old data of the shared database");
    expect(commandsOf(next)).toContain("pulumi config set transition restore");
  });

  it("while a transition runs: wait, and nothing by hand", () => {
    const running = withDatabase(healthy, "shared", (database) => ({
      ...database,
      postgres: database.postgres.known
        ? known({
            ...database.postgres.value,
            transition: { holder: "pg-continuity promote CHG-1 ada@bridge", since: healthy.observedAt },
          })
        : database.postgres,
    }));
    expect(commandsOf(adviceOf(running, "shared"))).toEqual(["pulumi up"]);
  });

  it("names only settings that there are", () => {
    const config = { transition: "promote", transitionId: "CHG-NUMBER", allowDataLoss: "CHG-NUMBER" };
    expect(() => parseSettings(rawConfig(config))).not.toThrow();
  });
});
