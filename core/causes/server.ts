import { logOf, npmRun } from "./commands.ts";
import { diagnosis } from "./diagnosis.ts";
import { type Judged, networkHelp, presenceOf, startHelp } from "./presence.ts";
import type { Diagnosis, InactiveServer, Surroundings } from "./types.ts";

const checked = {
  service: "Its health endpoint, the other servers' word, and whether it asks a database now.",
  replication: "What it says of its databases, and what was found of those.",
  network: "Whom this server reaches, and whom the other servers reach.",
  lost: "Whom this server reaches, whom the other servers reach, and how it fell silent.",
} as const;

/** Why a server is inactive. Pure: from one set of observations, never a cause whose contrary was observed. */
export function serverCauses(server: InactiveServer, around: Surroundings): Diagnosis {
  return server.look === "answered" ? causesOfIdle(server, around) : causesOfMissing(server, around);
}

/** It does not answer. */
function causesOfMissing(server: InactiveServer, around: Surroundings): Diagnosis {
  const heard = server.asks.map((name) => `The ${name} database is asked by it right now.`);
  const { likely, service, network } = presenceOf(server, around, heard);
  return diagnosis(likely, {
    service: { checked: checked.service, ...service, ...startHelp(server, around.stack) },
    replication: {
      checked: checked.replication,
      verdict: "ruled out",
      evidence: ["A server answers whether or not it has a database: this one does not answer."],
      ...databaseHelp(server, around.stack),
    },
    network: { checked: checked.lost, ...network, ...networkHelp(around.stack) },
  });
}

/** It answers, and can do nothing. */
function causesOfIdle(server: InactiveServer, { stack }: Surroundings): Diagnosis {
  const { state, databases } = server;
  const own = `It answers, and says that it is ${state ?? "in no known state"}.`;
  const said = databases.flatMap(({ name, reachable }) =>
    reachable === null ? [] : [`It ${reachable ? "reaches" : "does not reach"} the ${name} database.`],
  );
  const isStopping = state === "stopping";
  const missed = databases.filter(({ reachable }) => reachable === false);
  const reachesNone = missed.length > 0 && missed.length === databases.length;
  const reachedByOthers = databases.filter(({ isReachedByOthers }) => isReachedByOthers);
  const isCut = !isStopping && reachesNone && reachedByOthers.length > 0;
  const reasons = databases.flatMap(({ name, likely, detail }) =>
    likely === null && detail === null
      ? []
      : [`The ${name} database: ${detail ?? `likely a matter of ${likely}`}.`],
  );
  // Cut off from databases that nobody else can tell of either: what was found of those decides.
  const causes = new Set(databases.map(({ likely }) => likely));
  const isDatabase =
    !isStopping &&
    !isCut &&
    (reachesNone ? !causes.has(null) && !causes.has("network") : causes.has("replication"));
  const isNetwork = isCut || (!isStopping && reachesNone && causes.size === 1 && causes.has("network"));
  const others = reachedByOthers.map(({ name }) => `Others reach the ${name} database.`);
  const likely = isStopping ? "service" : isNetwork ? "network" : isDatabase ? "replication" : null;
  const service: Judged = {
    checked: checked.service,
    verdict: isStopping ? "likely" : "ruled out",
    evidence: [own],
    ...startHelp(server, stack),
  };
  return diagnosis(likely, {
    service,
    replication: {
      checked: checked.replication,
      verdict: isDatabase ? "likely" : isCut ? "ruled out" : "not known",
      evidence: isCut ? others : [...said, ...reasons],
      ...databaseHelp(server, stack),
    },
    network: {
      checked: checked.network,
      verdict: isNetwork
        ? "likely"
        : databases.some(({ reachable }) => reachable)
          ? "ruled out"
          : "not known",
      evidence: [...said, ...others],
      ...networkHelp(stack),
    },
  });
}

function databaseHelp(server: InactiveServer, stack: string): Pick<Judged, "remedy" | "commands"> {
  return {
    remedy: "Bring the databases back as their own tiles say; the server follows by itself.",
    commands: [npmRun(stack, "status"), logOf(server.containerName)],
  };
}
