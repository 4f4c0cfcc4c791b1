import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Observation } from "../core/observation.ts";
import { type ServerNode, type Topology, vaultEntries } from "../core/topology.ts";
import type { DeployedStack } from "./cli/pulumi.ts";
import { messageOf } from "./observe/container.ts";
import { ask, type HttpsAnswer } from "./observe/server.ts";

/** One thing that was tried on the running deployment, and what came of it. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

const resourceSchema = z.object({ id: z.string() });
const secretSchema = z.object({ secret: z.string() });

/** How long the deployment may take to answer after it was applied, in seconds. */
const patienceSeconds = 30;

/**
 * The main job on real input: stores a resource through the gateway and reads its secret back through every server (the
 * read-only one from its own replica). The resource is named so that it can be told from a person's. Where the gateway
 * leads to one's own application, the resource is stored through a server directly, and the gateway asked for the
 * application.
 */
export async function verifyDeployment(stack: DeployedStack): Promise<readonly Check[]> {
  const { topology, adminToken } = stack;
  const ca = stack.access.caCertificate;
  const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
  const secret = randomUUID();
  const name = "pg-continuity verification";
  const isOwn = topology.applications.length > 0;
  const storing = isOwn ? "store a resource through a server" : "store a resource through the gateway";

  const stored = await patiently(() =>
    firstThatWorks(vaultEntries(topology), async (entry) => {
      const answer = await ask(entry, ca, "/api/resources", {
        method: "POST",
        headers,
        body: JSON.stringify({ name, account: "verification", secret }),
        timeoutSeconds: 10,
      });
      if (answer.status !== 201) throw new Error(`answered ${answer.status}: ${answer.body.slice(0, 200)}`);
      return { id: resourceSchema.parse(JSON.parse(answer.body)).id, by: servedBy(answer), entry };
    }),
  );
  const application = isOwn ? [await applicationCheck(topology, ca)] : [];
  if (!stored.ok) return [{ what: storing, ok: false, detail: stored.reason }, ...application];
  const { id, by, entry } = stored.value;

  const readBack = async (server: ServerNode): Promise<Check> => {
    const what = `read it back through the ${server.name} server`;
    const read = await patiently(async () => {
      const answer = await ask(server, ca, `/api/resources/${id}/secret`, { headers });
      if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.body.slice(0, 200)}`);
      if (secretSchema.parse(JSON.parse(answer.body)).secret !== secret)
        throw new Error("gave another secret");
      return String(answer.headers["x-database"] ?? "unknown");
    });
    return read.ok
      ? { what, ok: true, detail: `from database ${read.value}` }
      : { what, ok: false, detail: read.reason };
  };
  const readBacks = await Promise.all(topology.servers.map(readBack));
  const removed = await patiently(async () => {
    const { status, body } = await ask(entry, ca, `/api/resources/${id}`, {
      method: "DELETE",
      headers: { authorization: headers.authorization },
    });
    if (status !== 200) throw new Error(`answered ${status}: ${body.slice(0, 200)}`);
    return "it is gone again";
  });
  return [
    { what: storing, ok: true, detail: `served by ${by}` },
    ...readBacks,
    { what: "delete it again", ok: removed.ok, detail: removed.ok ? removed.value : removed.reason },
    ...application,
  ];
}

/** Whether the gateway leads to one's own application: any answer of it will do, but not that it cannot serve. */
async function applicationCheck(topology: Topology, ca: string): Promise<Check> {
  const path = topology.applications[0]?.healthPath || "/";
  const answered = await patiently(async () => {
    const { status, body } = await ask(topology.gateway, ca, path, { timeoutSeconds: 10 });
    if (status >= 500) throw new Error(`answered ${status}: ${body.slice(0, 200)}`);
    return `${path} is answered with ${status}`;
  });
  const detail = answered.ok ? answered.value : answered.reason;
  return { what: "reach the application through the gateway", ok: answered.ok, detail };
}

/** What the first of them gives that can do it. @throws what the last one has thrown */
async function firstThatWorks<Node, T>(nodes: readonly Node[], work: (node: Node) => Promise<T>): Promise<T> {
  let failure: unknown = new Error("there is none");
  for (const node of nodes) {
    try {
      return await work(node);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** One check a standby: streaming, over TLS, slot in use, as it was observed. */
export function replicationChecks(topology: Topology, { databases }: Observation): readonly Check[] {
  if (topology.databases.length < 2) return [];
  const writable = databases.find(({ postgres }) => postgres.known && !postgres.value.inRecovery);
  return topology.databases
    .filter(({ name }) => name !== writable?.name)
    .map((standby) => {
      const what = `replicate to the ${standby.name} database`;
      if (!writable?.postgres.known) return { what, ok: false, detail: "no writable database answers" };
      const sender = writable.postgres.value.senders.find(
        ({ applicationName }) => applicationName === standby.node,
      );
      const slot = writable.postgres.value.slots.find(({ name }) => name === standby.slot);
      const ok = sender?.state === "streaming" && sender.encrypted && slot?.active === true;
      const detail = `${sender?.state ?? "not connected"}, ${sender?.encrypted ? "over TLS" : "without TLS"}, slot ${standby.slot} ${slot?.active ? "in use" : "not in use"}`;
      return { what, ok, detail };
    });
}

function servedBy({ headers }: HttpsAnswer): string {
  return String(headers["x-served-by"] ?? "unknown");
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Tries until it works or patience ends: right after it was applied a deployment is still finding itself. */
async function patiently<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  const deadline = Date.now() + patienceSeconds * 1000;
  while (true) {
    try {
      return { ok: true, value: await work() };
    } catch (error) {
      if (Date.now() > deadline) return { ok: false, reason: messageOf(error) };
      await sleep(200);
    }
  }
}
