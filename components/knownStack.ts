import * as pulumi from "@pulumi/pulumi";

/**
 * Whether the state knows this stack: by its outputs, or, as long as a first deployment has not come to its end, by what it
 * holds. Asked at once, beside what else runs; answered where somebody wants to know.
 */
export function isKnownStack(): () => Promise<boolean> {
  const asked = ask();
  // Who wants to know hears of a failure.
  asked.catch(() => undefined);
  return () => asked;
}

async function ask(): Promise<boolean> {
  const stack = pulumi.getStack();
  const name = `${pulumi.getOrganization()}/${pulumi.getProject()}/${stack}`;
  const { outputs } = await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name });
  if (Object.keys(outputs).length > 0) return true;
  const { stateKnows } = await import("../scripts/knownStack.ts");
  return stateKnows(stack);
}
