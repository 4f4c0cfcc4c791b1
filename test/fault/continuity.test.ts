import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HttpsAnswer } from "../../scripts/observe/server.ts";
import { Deployment } from "../support/deployment.ts";
import { eventually, healthy, Nodes } from "../support/nodes.ts";

const gone = ["primary-server", "secondary-server", "shared-database"] as const;
const password = "a password for the test";

/** Bodies differ by operation; the tests look at the fields that they mean. */
interface Answer extends Omit<HttpsAnswer, "body"> {
  readonly body: Record<string, unknown>;
}

interface Chain {
  readonly server: string;
  readonly events: number;
  readonly chained: number;
  readonly problems: readonly unknown[];
}

describe("read-only continuity: primary, secondary and the shared database are gone", () => {
  let deployment: Deployment;
  let nodes: Nodes;
  let resource: string;
  let account: string;
  let before: readonly Chain[];
  /** A person's browser, signed in while the servers are gone. */
  let visitor: Record<string, string>;

  beforeAll(async () => {
    deployment = await Deployment.shared();
    nodes = await Nodes.of(deployment);
    resource = await nodes.store("continuity test", "a secret that is still needed");
    const name = `continuity-${Date.now()}`;
    const made = await send("POST", "/api/accounts", { name, role: "operator" });
    account = (made.body.account as { id: string }).id;
    const shown = String(made.body.password);
    const first = await signIn(name, shown);
    const changed = await send(
      "PUT",
      "/api/account/password",
      { currentPassword: shown, newPassword: password },
      first,
    );
    expect([changed.status, changed.body]).toMatchObject([200, {}]);
    before = await chains();
    for (const node of gone) await nodes.docker("kill", nodes.container(node));
    await eventually(
      "the gateway asks the read-only server",
      async () => (await send("GET", "/healthz")).headers["x-served-by"] === "read-only",
    );
    visitor = await signIn(name, password);
  });
  afterAll(async () => {
    for (const node of [...gone].reverse()) await nodes.docker("start", nodes.container(node));
    await healthy(deployment, 60);
    await send("DELETE", `/api/accounts/${account}`);
  });

  /** A request through the gateway, as the administrator unless a session is given. */
  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer> {
    const answer = await nodes.request("gateway", path, {
      method,
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    });
    return { ...answer, body: answer.body === "" ? {} : JSON.parse(answer.body) };
  }

  /** The headers of a browser that has signed in. */
  async function signIn(name: string, secret: string): Promise<Record<string, string>> {
    const answer = await send("POST", "/api/session", { name, password: secret }, { authorization: "" });
    expect(answer.status).toBe(200);
    const [cookie = ""] = String(answer.headers["set-cookie"]).split(";");
    return { authorization: "", cookie, "x-csrf-token": String(answer.body.csrfToken) };
  }

  /** Of every server, once all is chained. */
  async function chains(): Promise<readonly Chain[]> {
    return await eventually("all is chained", async () => {
      const { servers } = (await send("GET", "/api/audit/verification")).body as { servers: Chain[] };
      return servers.every(({ events, chained }) => events === chained) ? servers : undefined;
    });
  }

  it("people sign in, list, search and reveal", async () => {
    const session = await send("GET", "/api/session", undefined, visitor);
    expect(session.body).toMatchObject({ account: { role: "operator" } });
    for (const path of [`/api/resources/${resource}`, "/api/resources?search=continuity"]) {
      const answer = await send("GET", path, undefined, visitor);
      expect([answer.status, answer.headers["x-database"]]).toEqual([200, "read-only"]);
      expect(JSON.stringify(answer.body)).toContain(resource);
    }
    const revealed = await send("GET", `/api/resources/${resource}/secret`, undefined, visitor);
    expect([revealed.status, revealed.body.secret]).toEqual([200, "a secret that is still needed"]);
  });

  it("every change is refused with 503, why, and when to try again", async () => {
    const { paths } = (await send("GET", "/api/openapi.json")).body as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const bodies: Record<string, unknown> = {
      createResource: { name: "x", account: "y", secret: "z" },
      updateResource: { name: "x" },
      rotateSecret: {},
      setup: { name: "first" },
      createAccount: { name: "other", role: "viewer" },
      updateAccount: { role: "viewer" },
      renameServer: { displayName: "Other" },
      createToken: { name: "program" },
      changePassword: { currentPassword: password, newPassword: `${password} 2` },
    };
    const refused: string[] = [];
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, { operationId }] of Object.entries(operations)) {
        // Sign-in, sign-out and a test of the alerts are no changes of the vault, and go on.
        if (method === "get" || path === "/api/session" || operationId === "testAlerts") continue;
        const isOwn = operationId === "changePassword" || path.startsWith("/api/tokens");
        const filled = path
          .replace("{task}", "clean-up")
          .replace("{server}", "primary")
          .replace("{id}", path.startsWith("/api/accounts") ? account : resource);
        const answer = await send(
          method.toUpperCase(),
          filled,
          bodies[operationId],
          isOwn ? visitor : undefined,
        );
        expect([operationId, answer.status, answer.body.type]).toEqual([
          operationId,
          503,
          "urn:pg-continuity:problem:read-only-continuity",
        ]);
        expect(answer.body.detail).toContain("Writes work again when");
        expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
        refused.push(operationId);
      }
    }
    expect(refused.length).toBeGreaterThanOrEqual(12);
  });

  it("what was done meanwhile is in the audit afterwards, once", async () => {
    expect((await send("GET", "/api/audit")).body.spooledBytes).toBeGreaterThan(0);
    for (const node of [...gone].reverse()) await nodes.docker("start", nodes.container(node));
    await healthy(deployment, 60);
    const events = await eventually("forwarded", async () => {
      const query = `server=read-only&operation=resource.reveal&object=${resource}`;
      const { items } = (await send("GET", `/api/audit?${query}`)).body as { items: object[] };
      return items.length > 0 ? items : undefined;
    });
    expect(events).toEqual([
      expect.objectContaining({ outcome: "success", actorId: account, kind: "resource" }),
    ]);
    const problems = (all: readonly Chain[]) => all.map(({ server, problems: found }) => [server, found]);
    expect(problems(await chains())).toEqual(problems(before));
  });
});
