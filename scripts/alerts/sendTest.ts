import { z } from "zod";
import { channelNames } from "../../core/alerts/settings.ts";
import type { ServerNode } from "../../core/topology.ts";
import { colours } from "../cli/colours.ts";
import { messageOf } from "../observe/container.ts";
import { ask } from "../observe/server.ts";

/** A server waits 10 s for its receivers, and then for its audit. */
const timeoutSeconds = 30;

const resultSchema = z.object({
  channels: z.array(z.object({ channel: z.enum(channelNames), problem: z.string().nullable() })),
});

const problemSchema = z.object({ detail: z.string() });

/** Which server has sent a test notice, and what became of it on each channel. */
export interface TestReport extends z.output<typeof resultSchema> {
  readonly server: ServerNode["name"];
}

/**
 * Has the first of these servers that answers send a test notice on every channel.
 *
 * @throws Error when none answers, or the one that does refuses it, with its reason
 */
export async function sendTest(
  servers: readonly Pick<ServerNode, "name" | "node" | "published">[],
  { caCertificate, adminToken }: { readonly caCertificate: string; readonly adminToken: string },
): Promise<TestReport> {
  const silent: string[] = [];
  for (const server of servers) {
    const headers = { authorization: `Bearer ${adminToken}` };
    try {
      // Asked first, so that none that took the order and went silent is followed by another that sends it again.
      await ask(server, caCertificate, "/healthz");
    } catch (error) {
      silent.push(`${server.name} (${messageOf(error)})`);
      continue;
    }
    const { status, body } = await ask(server, caCertificate, "/api/alerts/test", {
      ...{ method: "POST", headers, timeoutSeconds },
    });
    if (status !== 200)
      throw new Error(`the ${server.name} server has sent nothing: ${status}, ${reasonOf(body)}`);
    return { server: server.name, ...resultSchema.parse(JSON.parse(body)) };
  }
  throw new Error(`no server answers: ${silent.join(", ")}. "npm run status" says what runs.`);
}

/** The report in lines for people. */
export function renderTest({ server, channels }: TestReport, stack: string): string {
  const lines = channels.map(({ channel, problem }) =>
    problem === null
      ? `${colours.green("ok    ")} ${channel}: taken`
      : `${colours.red("failed")} ${channel}: ${problem}`,
  );
  return `${[...lines, `sent by the ${server} server of ${stack}`].join("\n")}\n`;
}

/** What the answer itself says, as far as it is one of a server. */
function reasonOf(body: string): string {
  try {
    return problemSchema.parse(JSON.parse(body)).detail;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return body.slice(0, 200);
    throw error;
  }
}
