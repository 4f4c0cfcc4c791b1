import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { installPackages, isRoot } from "./aptPackages.ts";
import type { Context } from "./context.ts";
import { defaultDaemon, startDetached } from "./dockerDaemon.ts";
import { SetupError } from "./errors.ts";
import type { Part } from "./part.ts";
import { findOnPath } from "./paths.ts";
import { pins } from "./pins.ts";
import { findVersion, isAtLeast } from "./versions.ts";

const name = "docker engine";
const defaultHost = "unix:///var/run/docker.sock";

/** The engine's address: DOCKER_HOST, or the socket that the docker plugin takes by default. */
export function dockerHost(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.DOCKER_HOST || defaultHost;
}

/** The docker command line client. */
export const dockerClient: Part = {
  name: "docker client",
  wanted: "any version",
  after: [],
  async probe(context) {
    const [where] = findOnPath("docker", context.env.PATH);
    if (!where)
      return { isReady: false, remedy: "install the docker command (Debian: apt-get install docker.io)" };
    const result = await context.run(where, ["--version"], { timeoutSeconds: 10 });
    return {
      isReady: result.ok,
      found: findVersion(result.stdout),
      where,
      remedy: "reinstall the docker command",
    };
  },
  async provide(context, report) {
    await installDocker(context, report, this.name);
  },
};

/** A Docker Engine that this user may use. Root on a machine without one gets the distribution's, started. */
export const dockerEngine: Part = {
  name,
  wanted: `≥ ${pins.dockerEngine}`,
  after: ["docker client"],
  async probe(context) {
    const where = dockerHost(context.env);
    const answer = await askEngine(context);
    if (!answer.ok) return { isReady: false, where, remedy: remedyFor(answer.failure, context.env) };
    const found = findVersion(answer.stdout) ?? answer.stdout.trim();
    return isAtLeast(found, pins.dockerEngine)
      ? { isReady: true, found, where }
      : { isReady: false, found, where, remedy: `upgrade Docker Engine to ${pins.dockerEngine} or newer` };
  },
  async provide(context, report) {
    const answer = await askEngine(context);
    if (answer.ok) {
      const problem = `version ${answer.stdout.trim()} at ${dockerHost(context.env)} is too old`;
      throw new SetupError(name, problem, `Upgrade Docker Engine to ${pins.dockerEngine} or newer`);
    }
    if (context.env.DOCKER_HOST || !isRoot() || process.platform !== "linux") {
      throw new SetupError(
        name,
        `no answer from ${dockerHost(context.env)}: ${answer.failure}`,
        capitalise(remedyFor(answer.failure, context.env)),
      );
    }
    if (findOnPath("dockerd", context.env.PATH).length === 0) await installDocker(context, report, name);
    if (!(await askEngine(context)).ok) await startEngine(context, report);
  },
};

async function installDocker(
  context: Context,
  report: (activity: string) => void,
  part: string,
): Promise<void> {
  if (!isRoot()) {
    throw new SetupError(
      part,
      "it is not installed, and only root may install it",
      "Install Docker Engine (https://docs.docker.com/engine/install/), or run this as root",
    );
  }
  await installPackages(context, report, part, ["docker.io"], ["docker-cli"]);
}

async function startEngine(context: Context, report: (activity: string) => void): Promise<void> {
  report("starting Docker Engine");
  if (existsSync("/run/systemd/system")) {
    const result = await context.run("systemctl", ["enable", "--now", "docker"], { timeoutSeconds: 120 });
    if (!result.ok) {
      throw new SetupError(
        name,
        `systemd could not start it: ${result.failure}`,
        'See "journalctl -u docker"',
      );
    }
    await waitForEngine(context, "the journal (journalctl -u docker)");
    return;
  }
  const daemon = startDetached(context, defaultDaemon);
  await waitForEngine(context, daemon.logFile, daemon.hasEnded);
}

async function waitForEngine(context: Context, logged: string, hasEnded?: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await askEngine(context)).ok) {
    if (hasEnded?.()) throw new SetupError(name, "it ended right after its start", `See ${logged}`);
    if (Date.now() > deadline) throw new SetupError(name, "it has not answered within 60 s", `See ${logged}`);
    await sleep(200, undefined, { signal: context.signal }).catch(() => context.throwIfInterrupted());
  }
}

function askEngine(context: Context) {
  return context.run("docker", ["version", "--format", "{{.Server.Version}}"], {
    timeoutSeconds: 10,
    // Without it a docker context that the user has chosen would answer, which the docker plugin does not look at.
    env: { DOCKER_HOST: dockerHost(context.env), DOCKER_CONTEXT: undefined },
  });
}

/** What a person can do about an engine that does not answer. */
export function remedyFor(failure: string, environment: NodeJS.ProcessEnv): string {
  if (environment.DOCKER_HOST)
    return `check DOCKER_HOST (${environment.DOCKER_HOST}), or unset it for the local engine`;
  if (/permission denied/i.test(failure)) {
    return 'allow this user to use it: "sudo usermod -aG docker $USER", then log in again (or run this as root)';
  }
  if (/not found|ENOENT.*docker/i.test(failure) || findOnPath("dockerd", environment.PATH).length === 0) {
    return isRoot()
      ? 'run "npm run setup"'
      : "install Docker Engine (https://docs.docker.com/engine/install/), or run this as root";
  }
  return isRoot() ? 'run "npm run setup"' : 'start it: "sudo systemctl start docker", or run this as root';
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
