import { defineConfig } from "vitest/config";

const seconds = 1000;

/** For tests on real engines: one file at a time, long limits. A second try of a single test would hide a fault; scripts/test.ts runs whole files again, and says so. */
const onEngines = {
  fileParallelism: false,
  testTimeout: 180 * seconds,
  hookTimeout: 300 * seconds,
  teardownTimeout: 120 * seconds,
  retry: 0,
};

export default defineConfig({
  test: {
    reporters: ["default", "./test/support/failuresAtOnce.ts"],
    // Once for all projects: they share a deployment.
    globalSetup: "test/support/globalSetup.ts",
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 30 * seconds } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          ...onEngines,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "fault",
          include: ["test/fault/**/*.test.ts"],
          ...onEngines,
          sequence: { groupOrder: 2 },
        },
      },
      // Kills drivers and databases at every step of every transition.
      {
        test: {
          name: "kill",
          include: ["test/kill/**/*.test.ts"],
          ...onEngines,
          sequence: { groupOrder: 3 },
        },
      },
      // The web pages in a browser, against servers on real databases.
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          ...onEngines,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
