import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { expect, it } from "vitest";
import { SharedConnection } from "../../scripts/observe/sharedConnection.ts";

it("sends what several ask at once one after another, also after one that failed", async () => {
  let underway = 0;
  const client = {
    async query(question: string) {
      underway++;
      expect(underway).toBe(1);
      await sleep(1);
      underway--;
      if (question === "wrong") throw new Error("refused");
      return { rows: [question] };
    },
  };
  const shared = new SharedConnection(client as unknown as pg.Client);
  const answers = await Promise.allSettled(["a", "wrong", "b"].map((question) => shared.query(question)));
  expect(answers).toEqual([
    { status: "fulfilled", value: { rows: ["a"] } },
    { status: "rejected", reason: new Error("refused") },
    { status: "fulfilled", value: { rows: ["b"] } },
  ]);
});
