import { describe, expect, it } from "vitest";
import { needsRestart, parameterProblem } from "../../core/parameterCatalogue.ts";

describe("a PostgreSQL parameter", () => {
  it.each<[name: string, value: string]>([
    ["work_mem", "16MB"],
    ["work_mem", "64 kB"],
    ["work_mem", "4096"],
    ["shared_buffers", "1GB"],
    ["statement_timeout", "1.5s"],
    ["statement_timeout", "0"],
    ["random_page_cost", "1.1"],
    ["random_page_cost", "1e1"],
    ["autovacuum_vacuum_cost_delay", "2ms"],
    ["jit", "off"],
    ["jit", "f"],
    ["wal_compression", "lz4"],
    ["wal_compression", "true"],
    ["default_transaction_isolation", "Repeatable Read"],
    ["log_min_duration_statement", "-1"],
    ["search_path", "a, b"],
    ["pg_stat_statements.max", "100"],
  ])("%s may be %s", (name, value) => {
    expect(parameterProblem(name, value)).toBeUndefined();
  });

  it.each<[name: string, value: string, reason: RegExp, remedy: RegExp]>([
    ["work_mme", "16MB", /is no parameter of PostgreSQL 17/, /Did you mean "work_mem"\?/],
    ["io_method", "worker", /is no parameter of PostgreSQL 17/, /runtime-config/],
    ["promote_trigger_file", "/tmp/x", /is no parameter of PostgreSQL 17/, /runtime-config/],
    [
      "transaction_isolation",
      "serializable",
      /is no parameter/,
      /default_transaction_isolation|runtime-config/,
    ],
    ["toString", "1", /is no parameter/, /runtime-config/],
    ["block_size", "8192", /cannot be set/, /Remove/],
    ["work_mem", "16XB", /no fitting unit \(one of B, kB, MB, GB, TB\)/, /Correct/],
    ["work_mem", "16s", /no fitting unit/, /Correct/],
    ["work_mem", "much", /is no number/, /Correct/],
    ["work_mem", "1kB", /is out of range \(64 to 2147483647, in units of kB\)/, /Correct/],
    ["max_connections", "0", /is out of range \(1 to 262143\)/, /Correct/],
    ["max_connections", "100MB", /has a unit \(MB\), and the parameter has none/, /Correct/],
    ["jit", "perhaps", /is neither on nor off/, /Correct/],
    ["wal_compression", "gzip", /is none of pglz/, /Correct/],
  ])("%s may not be %s", (name, value, reason, remedy) => {
    expect(parameterProblem(name, value)).toEqual({
      reason: expect.stringMatching(reason),
      remedy: expect.stringMatching(remedy),
    });
  });

  it("says which take effect only with a restart", () => {
    expect(
      ["work_mem", "max_connections", "shared_buffers", "pg_stat_statements.max"].map(needsRestart),
    ).toEqual([false, true, true, false]);
  });
});
