import { request } from "node:https";
import { z } from "zod";
import {
  known,
  type Observed,
  type ServerHealth,
  unknown,
  type WitnessObservation,
} from "../../core/observation.ts";
import type { GatewayNode, ServerNode } from "../../core/topology.ts";
import { messageOf } from "./container.ts";
import type { Silence } from "./silence.ts";

/** An answer over HTTPS. */
export interface HttpsAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/**
 * Sends one request to a node's published port, its certificate verified against the node's name.
 *
 * @throws Error when there is no answer within `timeoutSeconds`
 */
export function ask(
  node: Pick<ServerNode | GatewayNode, "node" | "published">,
  ca: string,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly timeoutSeconds?: number;
  } = {},
): Promise<HttpsAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: node.published.address,
        port: node.published.port,
        servername: node.node,
        ca,
        path,
        method: options.method ?? "GET",
        headers: options.headers ?? {},
        agent: false,
        signal: AbortSignal.timeout((options.timeoutSeconds ?? 3) * 1000),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(options.body);
  });
}

const healthSchema = z.object({
  state: z.string(),
  database: z.string().nullable(),
  timeline: z.number().nullable(),
  since: z.string(),
  problem: z.string().nullable().default(null),
  pack: z
    .object({ version: z.string(), keyFingerprint: z.string(), schema: z.string().nullable() })
    .nullable()
    .default(null),
});

const witnessSchema = z.object({ systemId: z.string().nullable(), highestTimeline: z.number().nullable() });

/** What a server remembers as a witness; unknown with the reason when it does not answer. */
export async function observeWitness(
  server: ServerNode,
  ca: string,
  silence: Silence,
): Promise<Observed<WitnessObservation>> {
  try {
    const { body } = await silence.ask(server.node, () => ask(server, ca, "/witness", { timeoutSeconds: 2 }));
    return known(witnessSchema.parse(JSON.parse(body)));
  } catch (error) {
    return unknown(`the server does not answer (${messageOf(error)})`);
  }
}

/** What a server says of itself; unknown with the reason when it does not answer. */
export async function observeServerHealth(server: ServerNode, ca: string): Promise<Observed<ServerHealth>> {
  try {
    const { body } = await ask(server, ca, "/healthz", { timeoutSeconds: 2 });
    return known(healthSchema.parse(JSON.parse(body)));
  } catch (error) {
    return unknown(`the server does not answer (${messageOf(error)})`);
  }
}
