import { describe, expect, it } from "vitest";
import { dutyTiming, livenessTiming, renderHaproxy, renderUnavailable } from "../../core/render/haproxy.ts";
import { topologyOf } from "../support/fixtures.ts";

/** One section of the file: its name's line and what belongs to it. */
const section = (name: string, config: Record<string, unknown> = {}) =>
  renderHaproxy(topologyOf(config), "token")
    .split(/\n(?=\S)/)
    .find((part) => part.startsWith(`${name}\n`)) ?? "";
const serverLines = (config: Record<string, unknown>, backend = "servers") =>
  section(`backend ${backend}`, config).match(/^ {4}server .*$/gm) ?? [];

describe("haproxy.cfg", () => {
  it.each([
    ["full", ["primary", "secondary", "read-only"]],
    ["secondary", ["primary", "secondary"]],
    ["read-only", ["primary", "read-only"]],
  ])("of model %s has its servers in their order, the read-only one as a backup", (model, names) => {
    const lines = serverLines({ model });
    expect(lines.map((line) => line.trim().split(" ")[1])).toEqual(names);
    expect(lines.map((line) => line.endsWith(" backup"))).toEqual(names.map((name) => name === "read-only"));
  });

  it("verifies each server's certificate against its own name", () => {
    expect(serverLines({})[1]).toContain("secondary-server:8443 check");
    expect(serverLines({})[1]).toContain("verifyhost secondary-server");
    expect(renderHaproxy(topologyOf(), "token")).toMatch(/default-server ssl ca-file \S+ verify required/);
  });

  it("says who it is, so that servers believe whom it forwards for", () => {
    expect(section("frontend entry")).toContain("http-request set-header x-pg-continuity-gateway token\n");
  });

  it("gives a request to the first server that lives and is on duty, else to the first that lives", () => {
    expect(section("backend servers").match(/^ {4}use-server .*$/gm)).toEqual([
      "    use-server primary if { srv_is_up(duty/primary) }",
      "    use-server secondary if { srv_is_up(duty/secondary) }",
      "    use-server read-only if { srv_is_up(duty/read-only) }",
      "    use-server primary if { srv_is_up(servers/primary) }",
      "    use-server secondary if { srv_is_up(servers/secondary) }",
      "    use-server read-only if { srv_is_up(servers/read-only) }",
    ]);
    expect(serverLines({}, "duty")).toEqual(serverLines({}));
  });

  it("leaves it to TCP to cut what a vanished server worked on, so that it is sent again", () => {
    expect(section("backend servers")).toContain("option srvtcpka");
    expect(section("backend servers")).toContain("tcp-ut 2s");
    expect(section("backend servers")).toContain("no-check-ssl");
    expect(renderHaproxy(topologyOf(), "token")).not.toContain("on-marked-down");
    expect(section("backend duty")).toContain("http-check expect status 200");
  });

  it("has a killed server out within a second", () => {
    const { interval, fastInterval, fall } = livenessTiming;
    expect(interval + fall * interval + (fall - 1) * fastInterval).toBeLessThanOrEqual(1000);
  });

  it("hears a server that says no within two seconds", () => {
    const { interval, fastInterval, fall } = dutyTiming;
    expect(interval + (fall - 1) * fastInterval).toBeLessThanOrEqual(2000);
  });
});

it("the answer without any server is a whole HTTP message", () => {
  const [head, body = ""] = renderUnavailable().split("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1.1 503 /);
  expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
  expect(JSON.parse(body)).toMatchObject({ status: 503 });
});
