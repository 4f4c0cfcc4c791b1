import { logOf, npmRun } from "./commands.ts";
import { diagnosis } from "./diagnosis.ts";
import { type Judged, networkHelp, presenceOf, startHelp } from "./presence.ts";
import type { CauseName, Diagnosis, InactiveDatabase, Surroundings } from "./types.ts";

const checked = {
  service: "A connection to PostgreSQL, the other servers' word, and who streams from or to it.",
  replication: "pg_stat_replication and the slot on the writable database, pg_stat_wal_receiver, timelines.",
  network: "Whom this server reaches, and whom the other servers reach.",
  lost: "Whom this server reaches, whom the other servers reach, and how it fell silent.",
} as const;

/** Why a database is inactive. Pure: from one set of observations, never a cause whose contrary was observed. */
export function databaseCauses(database: InactiveDatabase, around: Surroundings): Diagnosis {
  if (database.role === "down") return causesOfMissing(database, around);
  return database.role === "standby" ? causesOfStill(database, around) : causesOfShut(database, around);
}

/** PostgreSQL does not answer. */
function causesOfMissing(database: InactiveDatabase, around: Surroundings): Diagnosis {
  const { isFollowing, isFollowed, name, writable } = database;
  const heard = [
    ...(isFollowing === true ? [`The ${writable} database streams to it right now.`] : []),
    ...(isFollowed === true ? ["The other database receives from it right now."] : []),
  ];
  const { likely, service, network } = presenceOf(database, around, heard);
  const isSource = writable === null && name === "shared";
  return diagnosis(likely, {
    service: { checked: checked.service, ...service, ...startHelp(database, around.stack) },
    replication: {
      checked: checked.replication,
      ...(isFollowing === true || isFollowed === true
        ? { verdict: "ruled out", evidence: heard }
        : {
            verdict: "not known",
            evidence: isSource
              ? ["Nobody accepts writes: there is nothing that it could follow."]
              : slotEvidence(database),
          }),
      ...replicationHelp(database, around.stack),
    },
    network: { checked: checked.lost, ...network, ...networkHelp(around.stack) },
  });
}

/** A standby that answers and does not stream. */
function causesOfStill(database: InactiveDatabase, around: Surroundings): Diagnosis {
  const { way, slot, writable } = database;
  const isLost = slot?.walStatus === "lost";
  const likely: CauseName | null = isLost || way !== "unknown" ? "replication" : null;
  const stands = [
    "It answers, and receives nothing (pg_stat_wal_receiver is empty).",
    ...(database.isFollowing === false ? [`The ${writable} database does not list it as following.`] : []),
    ...slotEvidence(database),
  ];
  return diagnosis(likely, {
    service: runs(database, around.stack),
    replication: {
      checked: checked.replication,
      verdict: likely === null ? "not known" : "likely",
      evidence: stands,
      ...replicationHelp(database, around.stack),
    },
    network: {
      checked: checked.network,
      verdict: way === "open" ? "ruled out" : "not known",
      evidence: [wayEvidence[way]],
      ...networkHelp(around.stack),
    },
  });
}

/** What answers is there. */
function runs(database: InactiveDatabase, stack: string): Judged {
  return {
    checked: checked.service,
    verdict: "ruled out",
    evidence: ["It answers."],
    ...startHelp(database, stack),
  };
}

const wayEvidence: Readonly<Record<InactiveDatabase["way"], string>> = {
  open: "This server stands beside one database and reaches the other: the way between them is open.",
  "same host": "Both databases are on one host, and this server reaches both.",
  unknown: "This server reaches both databases; whether they reach each other nobody has tried for it.",
};

/** It answers, and may not be written to although it is no standby. */
function causesOfShut(database: InactiveDatabase, around: Surroundings): Diagnosis {
  const { role, problem, isInTransition } = database;
  return diagnosis("replication", {
    service: runs(database, around.stack),
    replication: {
      checked: checked.replication,
      verdict: "likely",
      evidence: [
        role === "closed"
          ? `It is closed to writes${isInTransition ? ": a transition runs, and opens it or lets it follow" : ""}.`
          : "It claims to be the writable database, and is not used.",
        ...(problem === null ? [] : [`The reason: ${problem}.`]),
      ],
      ...shutHelp(database, around.stack),
    },
    network: {
      checked: checked.network,
      verdict: "ruled out",
      evidence: ["This server reaches it."],
      ...networkHelp(around.stack),
    },
  });
}

function slotEvidence({ slot, writable }: InactiveDatabase): readonly string[] {
  if (slot === undefined) return ["The slot that feeds it cannot be asked for."];
  if (slot === null) return [`The ${writable} database has no slot for it.`];
  const { name, active, walStatus } = slot;
  if (walStatus === "lost") return [`Its slot ${name} is lost: the WAL that it needs is gone.`];
  return [`Its slot ${name} is ${active ? "active" : "inactive"}, ${walStatus ?? "not used yet"}.`];
}

function replicationHelp(
  { slot, containerName, name, writable }: InactiveDatabase,
  stack: string,
): Pick<Judged, "remedy" | "commands"> {
  if (slot?.walStatus === "lost")
    return name === "read-only"
      ? { remedy: "Copy it anew.", commands: [npmRun(stack, "transition", "rebuild")] }
      : { remedy: "A restore copies it anew.", commands: [npmRun(stack, "transition", "restore")] };
  if (slot === null && writable !== null)
    return { remedy: "An up makes the slot again.", commands: [npmRun(stack, "up"), logOf(containerName)] };
  return {
    remedy: "Its log says why it does not receive.",
    commands: [logOf(containerName), npmRun(stack, "status")],
  };
}

function shutHelp(
  { name, writable, isInTransition, containerName }: InactiveDatabase,
  stack: string,
): Pick<Judged, "remedy" | "commands"> {
  if (isInTransition)
    return {
      remedy: "Wait for the transition. If whoever ran it is gone, run it again.",
      commands: [npmRun(stack, "status", "--watch")],
    };
  if (writable === "read-only" && name === "shared")
    return {
      remedy: "The read-only database was promoted: a restore lets this one follow, then swaps.",
      commands: [npmRun(stack, "transition", "restore")],
    };
  if (writable === "shared" && name === "read-only")
    return {
      remedy: "Its data went its own way: copy it anew.",
      commands: [npmRun(stack, "transition", "rebuild")],
    };
  return {
    remedy:
      "See what each database says, and whether a transition was interrupted: it is finished by running it again.",
    commands: [npmRun(stack, "status"), logOf(containerName)],
  };
}
