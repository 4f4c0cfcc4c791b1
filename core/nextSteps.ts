import { npmRun } from "./causes/commands.ts";
import type { TransitionName } from "./transition/step.ts";
import type { Declared, Verdict } from "./verdict.ts";
import type { DatabaseName } from "./vocabulary.ts";

/** What a person does next, and must not do meanwhile. */
export interface NextSteps {
  readonly avoid: readonly string[];
  readonly steps: readonly NextStep[];
}

export interface NextStep {
  readonly text: string;
  readonly commands: readonly string[];
  /** The transition that the commands preview. */
  readonly transition?: TransitionName;
}

/** In place of an incident or change number. */
export const placeholderId = "CHG-NUMBER";

/**
 * The way back to normal from what was seen, with the commands to type; null where nothing is to be done. Pure.
 */
export function nextSteps(
  declared: Declared,
  verdict: Pick<Verdict, "phase" | "databases">,
  writable: DatabaseName | null,
): NextSteps | null {
  const of = (name: DatabaseName) => verdict.databases.find((database) => database.name === name);
  const containerOf = (name: DatabaseName) =>
    declared.databases.find((database) => database.name === name)?.containerName ?? name;
  if (["promoting", "restoring", "rebuilding"].includes(verdict.phase))
    return {
      avoid: ["Do not start, stop or promote anything by hand while the transition runs."],
      steps: [
        {
          text: "It ends by itself. If whoever ran it is gone, run it again: it goes on from what it finds.",
          commands: ["pulumi up"],
        },
      ],
    };
  if (verdict.phase === "promoted") {
    const follows = of("shared")?.streaming === true;
    return {
      avoid: [
        "Do not start old data of the shared database, or a backup of it, as a primary: what was written since the " +
          "promotion is not in it. The node of this deployment opens only as a follower.",
      ],
      steps: [
        {
          text: follows
            ? "The shared database follows. Swap back when it suits; writes wait about 0.3 s."
            : "The shared database does not follow: nothing could take over now. A restore brings it back, then swaps.",
          ...transition("restore"),
        },
      ],
    };
  }
  if (verdict.phase !== "degraded" || declared.databases.length < 2) return null;
  const replica = of("read-only");
  if (writable === null && replica?.role === "standby")
    return {
      avoid: ["Do not promote by hand (pg_promote): the old primary would not be fenced."],
      steps: [
        {
          text: "Start the shared database again; where it runs and is cut off, an up connects it to its network. That loses nothing.",
          commands: [`docker start ${containerOf("shared")}`, npmRun(declared.stack, "up")],
        },
        {
          text: "If that cannot be done in time, promote. The preview says what is at stake.",
          ...transition("promote", false),
        },
        {
          text: "Accept a possible loss, for this one transition only, and apply.",
          commands: [`pulumi config set allowDataLoss ${placeholderId}`, "pulumi up"],
        },
      ],
    };
  if (writable !== "shared" || replica === undefined) return null;
  if (replica.slot?.walStatus === "lost")
    return {
      avoid: [],
      steps: [{ text: "The replica has to be copied anew.", ...transition("rebuild") }],
    };
  if (replica.reachable) return null;
  return {
    avoid: [],
    steps: [
      {
        text: "Start the replica again; where it runs and is cut off, an up connects it to its network. It catches up by itself.",
        commands: [`docker start ${containerOf("read-only")}`, npmRun(declared.stack, "up")],
      },
      { text: "If its data is lost, copy it anew.", ...transition("rebuild") },
    ],
  };
}

function transition(name: TransitionName, applies = true): Pick<NextStep, "commands" | "transition"> {
  return {
    transition: name,
    commands: [
      `pulumi config set transition ${name}`,
      `pulumi config set transitionId ${placeholderId}`,
      "pulumi preview",
      ...(applies ? ["pulumi up"] : []),
    ],
  };
}
