import { describe, expect, test } from "vitest";
import { createLogger } from "../../../server/log.ts";

function capture(write: (log: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  write(
    createLogger({ level: "debug", server: "primary" }, { write: (line: string) => void lines.push(line) }),
  );
  return lines.join("");
}

describe("createLogger", () => {
  test.each<[string, object]>([
    ["a field", { secret: "hidden-1" }],
    ["a password", { settings: { password: "hidden-1" } }],
    ["a header", { req: { headers: { authorization: "Bearer hidden-1" } } }],
    ["a body", { req: { body: { name: "x", secret: "hidden-1" } } }],
    ["a cookie", { headers: { cookie: "hidden-1" } }],
    ["a token", { a: { b: { token: "hidden-1" } } }],
    ["a list", { items: [{ name: "x" }, { more: [{ secret: "hidden-1" }] }] }],
    ["deep down", { a: { b: { c: { d: { e: { password: { hash: "hidden-1" } } } } } } }],
  ])("should hide the secret in %s", (_name, fields) => {
    const output = capture((log) => log.info(fields, "message"));
    expect(output).not.toContain("hidden-1");
    expect(output).toContain("[redacted]");
  });

  test("should hide it in what a child logger always says, and end where something contains itself", () => {
    const circle: Record<string, unknown> = { secret: "hidden-1" };
    circle.self = circle;
    const output = capture((log) => log.child({ token: "hidden-1" }).info({ circle }, "message"));
    expect(output).not.toContain("hidden-1");
    expect(JSON.parse(output)).toMatchObject({ token: "[redacted]", circle: { secret: "[redacted]" } });
  });

  test("should keep of a database error what cannot hold a row", () => {
    const error = Object.assign(new Error("duplicate key"), {
      code: "23505",
      detail: "Key (account)=(hidden-1) already exists.",
      where: "hidden-1",
    });
    const output = capture((log) => log.error({ err: error }, "failed"));
    expect(output).not.toContain("hidden-1");
    expect(JSON.parse(output)).toMatchObject({ level: "error", server: "primary", err: { code: "23505" } });
  });
});
