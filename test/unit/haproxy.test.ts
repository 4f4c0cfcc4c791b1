import { describe, expect, it } from "vitest";
import { checkTiming, renderHaproxy, renderUnavailable } from "../../core/render/haproxy.ts";
import { topologyOf } from "../support/fixtures.ts";

const serverLines = (config: Record<string, unknown>) =>
  renderHaproxy(topologyOf(config)).match(/^ {4}server .*$/gm) ?? [];

describe("haproxy.cfg", () => {
  it.each([
    ["full", ["primary", "secondary", "read-only"]],
    ["secondary", ["primary", "secondary"]],
    ["read-only", ["primary", "read-only"]],
  ])("of model %s asks the servers in their order, the first alone is no backup", (model, names) => {
    const lines = serverLines({ model });
    expect(lines.map((line) => line.trim().split(" ")[1])).toEqual(names);
    expect(lines.map((line) => line.endsWith(" backup"))).toEqual(names.map((_, index) => index > 0));
  });

  it("verifies each server's certificate against its own name", () => {
    expect(serverLines({})[1]).toContain("secondary-server:8443 check");
    expect(serverLines({})[1]).toContain("verifyhost secondary-server");
    expect(renderHaproxy(topologyOf())).toMatch(/default-server ssl ca-file \S+ verify required/);
  });

  it("cuts the sessions of a failed server", () => {
    expect(renderHaproxy(topologyOf())).toContain("on-marked-down shutdown-sessions");
  });

  it("has a killed server out within a second", () => {
    const { interval, fastInterval, timeout, fall } = checkTiming;
    expect(interval + timeout + (fall - 1) * (fastInterval + timeout)).toBeLessThanOrEqual(1000);
  });
});

it("the answer without any server is a whole HTTP message", () => {
  const [head, body = ""] = renderUnavailable().split("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1.1 503 /);
  expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
  expect(JSON.parse(body)).toMatchObject({ status: 503 });
});
