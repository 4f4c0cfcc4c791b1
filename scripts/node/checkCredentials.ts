// Before credentials of other generations are made: whether those may follow the ones that were allowed last. Changes
// nothing.
//
//   environment: GENERATIONS (JSON, by kind), PULUMI_COMMAND_STDOUT (what the last run has said)
import { z } from "zod";
import { orderProblems } from "../../core/rotation.ts";
import { requiredJson, runStep } from "./step.ts";

const generation = z.number().int();
const generations = z.tuple([generation], generation);
const generationsSchema = z.object({
  passwords: generations,
  certificates: generations,
  key: generations,
  // Before there was one.
  token: generations.default([1]),
});
const saidSchema = z.object({ generations: generationsSchema });

await runStep("check-credentials", async () => {
  const wanted = requiredJson("GENERATIONS", generationsSchema);
  const said = process.env.PULUMI_COMMAND_STDOUT;
  if (said) {
    const problems = orderProblems(saidSchema.parse(JSON.parse(said)).generations, wanted);
    if (problems.length > 0) throw new Error(`refused, nothing was changed: ${problems.join(" ")}`);
  }
  return { result: "allowed", generations: wanted };
});
