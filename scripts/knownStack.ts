import { z } from "zod";
import { pulumi } from "./cli/pulumi.ts";

const stateSchema = z.object({
  deployment: z.object({ resources: z.array(z.object({ type: z.string() })).optional() }),
});

/** Types of what stays in the state as long as anything of a stack is left, its keys if nothing else. */
const lasting = /^(docker:|command:|pulumi:index:Stash$)/;

/** Whether the state holds anything of a stack: one that was deployed, or whose first deployment was broken off. */
export async function stateKnows(stack: string): Promise<boolean> {
  const exported = await pulumi(["stack", "export"], { stack });
  const { resources = [] } = stateSchema.parse(JSON.parse(exported)).deployment;
  return resources.some(({ type }) => lasting.test(type));
}
