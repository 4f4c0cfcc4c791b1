import { describe, expect, test } from "vitest";
import { type Candidate, electsItself } from "../../../core/alerts/election.ts";
import type { ServerName } from "../../../core/vocabulary.ts";

const other = (name: ServerName, changes: Partial<Candidate> = {}): Candidate => ({
  ...{ name, state: "read-only", leader: null, watches: true },
  ...changes,
});

describe("without a writable database", () => {
  test.each<[what: string, server: ServerName, others: readonly Candidate[], elects: boolean]>([
    ["the first of all sends", "primary", [other("secondary"), other("read-only")], true],
    [
      "the second does not while the first is there",
      "secondary",
      [other("primary"), other("read-only")],
      false,
    ],
    [
      "the second sends once the first is gone",
      "secondary",
      [other("primary", { state: null }), other("read-only")],
      true,
    ],
    ["the first stops, the second sends", "secondary", [other("primary", { state: "stopping" })], true],
    [
      "the last sends alone",
      "read-only",
      [other("primary", { state: null }), other("secondary", { state: null })],
      true,
    ],
    [
      "a server that knows of no alerts does not count",
      "read-only",
      [other("primary", { watches: false })],
      true,
    ],
    [
      "nobody is elected while another has the lease",
      "primary",
      [other("read-only", { leader: "lease" })],
      false,
    ],
    [
      "the first takes over from the last that was elected",
      "primary",
      [other("read-only", { leader: "election" })],
      true,
    ],
  ])("%s", (_, server, others, elects) => {
    expect(electsItself(server, others)).toBe(elects);
  });
});
