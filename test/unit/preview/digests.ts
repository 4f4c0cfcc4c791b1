import { type Digest, parseDigest } from "../../../core/preview/digest.ts";

/** A step of a preview, as short as a test wants it: operation, type, name, and what differs. */
export interface StepShape {
  readonly op: string;
  readonly type: keyof typeof types;
  readonly name: string;
  readonly differs?: readonly string[];
  readonly retained?: true;
  /** Variables of a command, before and after. */
  readonly variables?: readonly [Readonly<Record<string, string>>, Readonly<Record<string, string>>];
}

const types = {
  container: "docker:index/container:Container",
  volume: "docker:index/volume:Volume",
  network: "docker:index/network:Network",
  engine: "pulumi:providers:docker",
  command: "command:local:Command",
  stash: "pulumi:index:Stash",
  component: "pg-continuity:index:SharedDatabase",
  other: "random:index/randomId:RandomId",
} as const;

/** Steps in the shape of `pulumi preview --json`; a replacement becomes the three steps that Pulumi makes of it. */
export function digestOf(
  shapes: readonly StepShape[],
  diagnostics: readonly { message: string; severity: string; urn?: string }[] = [],
): Digest {
  const steps = shapes.flatMap(({ op, type, name, differs = [], retained, variables = [{}, {}] }) => {
    const operations = op === "replace" ? ["delete-replaced", "replace", "create-replacement"] : [op];
    return operations.map((operation) => ({
      op: operation,
      urn: `urn:pulumi:unit::pg-continuity::pg-continuity:index:Deployment$${types[type]}::${name}`,
      oldState:
        op === "create" ? null : { inputs: { environment: variables[0] }, retainOnDelete: retained === true },
      newState: op === "delete" ? null : { inputs: { environment: variables[1] } },
      diffReasons: differs,
      detailedDiff: Object.fromEntries(differs.map((path) => [path, { kind: "update", inputDiff: true }])),
    }));
  });
  return parseDigest(JSON.stringify({ config: {}, steps, diagnostics, changeSummary: {} }));
}

/** The urn under which the program reports a transition's preflight. */
export const transitionUrn =
  "urn:pulumi:unit::pg-continuity::pg-continuity:index:Deployment$pg-continuity:index:Transition::transition";
