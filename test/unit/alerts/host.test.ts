import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Host } from "../../../server/alerts/host.ts";
import { createAuthority } from "../../support/serverPki.ts";

describe("what a server sees of where it runs", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "pgc-host-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("is how full its disk is, and when its certificate or the authority's ends", async () => {
    const authority = await createAuthority();
    const { certificate } = await authority.issue("primary");
    const facts = new Host(folder).facts(certificate, authority.ca);
    expect(facts.certificateExpiresAt).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(facts.diskUsedPercent).toBeGreaterThanOrEqual(0);
  });

  test("is not known where its files cannot be understood or its disk cannot be asked, and ends nothing", () => {
    expect(new Host(join(folder, "gone")).facts("no certificate", "nor this")).toEqual({
      certificateExpiresAt: null,
      diskUsedPercent: null,
    });
  });
});
