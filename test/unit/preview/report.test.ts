import { describe, expect, it } from "vitest";
import { parseDigest } from "../../../core/preview/digest.ts";
import { renderMarkdown, renderReport } from "../../../core/preview/render.ts";
import { assess } from "../../../core/preview/report.ts";
import { explain } from "../../../scripts/cli/pulumi.ts";
import { topologyOf } from "../../support/fixtures.ts";
import { contextOf, replaced } from "./contexts.ts";
import { digestOf, type StepShape, transitionUrn } from "./digests.ts";

describe("containers that are made anew", () => {
  const all = replaced(
    "gateway",
    "shared-database",
    "primary-server",
    "read-only-database",
    "secondary-server",
  );

  it("are in turn: the standby, the writable database, servers, the gateway", () => {
    const text = renderReport(assess(digestOf(all), contextOf()));
    expect(text).toContain(`one at a time
  1. read-only-database: nothing waits, its server reads elsewhere
  2. shared-database, once read-only-database streams again: writes wait in the servers
  3. secondary-server, once shared-database is open, and followed, again: what it works on is finished, the others take what comes
  4. primary-server, once the gateway sends requests to secondary-server again: what it works on is finished, the others take what comes
  5. gateway, once the gateway sends requests to primary-server again: no connection is taken meanwhile
`);
  });

  it("are in another turn after a promotion", () => {
    const report = assess(digestOf(all), contextOf({ writable: "read-only" }));
    expect(report.order.map(({ node }) => node).slice(0, 2)).toEqual([
      "shared-database",
      "read-only-database",
    ]);
    expect(renderMarkdown(report)).toContain(
      "### One at a time\n\n1. shared-database: nothing waits, its server reads elsewhere\n2. read-only-database, once shared-database streams again: writes wait",
    );
  });

  it("are not said to read elsewhere where they are applications of one's own", () => {
    const topology = topologyOf({ application: { image: "shop/web:1" }, synchronous: true });
    const { order } = assess(digestOf(replaced("primary-application")), {
      ...contextOf(),
      deployed: { topology, writable: "shared" },
    });
    expect(order).toEqual([
      {
        node: "primary-application",
        once: null,
        waits: "what it works on is finished or cut, the others take what comes",
      },
    ]);
  });

  it("are not spoken of where none is", () => {
    expect(assess(digestOf(replaced("gateway")), contextOf({ before: null })).order).toEqual([]);
    expect(renderReport(assess(digestOf([]), contextOf()))).not.toContain("one at a time");
  });
});

describe("what Pulumi and the program say", () => {
  const preflight = (message: string, severity = "info") =>
    assess(
      digestOf(
        [{ op: "create", type: "command", name: "promote-read-only" }],
        [{ message, severity, urn: transitionUrn }],
      ),
      contextOf(),
    );

  it("the preflight of a transition is part of the report", () => {
    expect(preflight("promote (X)\n  verdict: can run, no write is lost").transition).toContain("can run");
  });

  it("a promote that may lose writes is a high risk", () => {
    expect(preflight("verdict: can run, WRITES MAY BE LOST")).toMatchObject({
      risk: "high",
      reasons: ["acknowledged writes may be lost"],
    });
  });

  it("what a person wrote into another resource's message is no preflight", () => {
    const said = [{ message: "something else", severity: "info" }];
    expect(assess(digestOf([], said), contextOf()).transition).toBeNull();
  });

  it.each([
    ["a refused transition", "error: promote (X)\nverdict: REFUSED, nothing will be changed"],
    [
      "a model that would remove the writable database",
      'error: pg-continuity:model: REFUSED: "secondary" would remove it. Restore first.',
    ],
  ])("%s is refused, and no error", (_name, message) => {
    const report = assess(digestOf([], [{ message, severity: "error" }]), contextOf());
    expect(report).toMatchObject({ verdict: "refused", risk: "high", errors: [] });
    expect(report.refused).toHaveLength(1);
  });

  it.each([
    [
      "shared-database-data",
      "replaced",
      /^REFUSED: shared-database-data would be replaced, and it is protected, because it holds the data of shared-database\. Take the change back\. If that copy is not needed any more: pulumi config set giveUpVolume shared-database-data$/,
    ],
    [
      "shared-database-on-alpha-data",
      "deleted",
      /holds the data of shared-database\. .* give it up before this change \("pulumi config set giveUpVolume shared-database-on-alpha-data && pulumi up" with the config as it was\), then make the change\.$/,
    ],
    ["gateway-state", "deleted", /^REFUSED: gateway-state would be deleted, .*down -- --volumes/],
  ])("a protected volume is refused, in words that a person can use: %s, %s", (name, action, said) => {
    const urn = `urn:pulumi:unit::pg-continuity::pg-continuity:index:Deployment$docker:index/volume:Volume::${name}`;
    const message =
      action === "deleted"
        ? `error: Preview failed: resource "${urn}" cannot be deleted\nbecause it is protected. To unprotect …`
        : `error: unable to replace resource "${urn}"\nas it is currently marked for protection. To unprotect …`;
    const steps: StepShape[] = action === "deleted" ? [] : [{ op: "replace", type: "volume", name }];
    const report = assess(digestOf(steps, [{ message, severity: "error", urn }]), contextOf());
    expect(report).toMatchObject({ verdict: "refused", errors: [] });
    expect(report.refused).toEqual([expect.stringMatching(said)]);
    expect(explain(message)).toMatch(/^REFUSED: /);
  });

  it("a wrong setting is an error, and nothing is refused", () => {
    const said = [
      { message: 'error: pg-continuity:model: "ful" is none of full.', severity: "error" },
      { message: "error: preview failed", severity: "error" },
    ];
    expect(assess(digestOf([], said), contextOf())).toMatchObject({
      verdict: "failed",
      refused: [],
      errors: ['pg-continuity:model: "ful" is none of full.'],
    });
  });

  it("a preview that has failed without a word in its document is no preview", () => {
    const failed = parseDigest(JSON.stringify({ steps: [] }), "error: could not load plugin docker");
    expect(assess(failed, contextOf())).toMatchObject({
      verdict: "failed",
      errors: ["could not load plugin docker"],
    });
    const silent = parseDigest(
      JSON.stringify({ diagnostics: [{ severity: "error", message: "error: preview failed" }] }),
      "",
    );
    expect(assess(silent, contextOf()).verdict).toBe("failed");
    const explained = parseDigest(
      JSON.stringify({ diagnostics: [{ severity: "error", message: "error: it is wrong" }] }),
      "error: preview failed",
    );
    expect(assess(explained, contextOf()).errors).toEqual(["it is wrong"]);
  });

  it("text that is no preview is said to be none", () => {
    expect(() => parseDigest("Segmentation fault")).toThrow(/printed no preview: Segmentation fault/);
  });
});
