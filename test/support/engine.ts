import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { execa, type ResultPromise } from "execa";
import { findOnPath } from "../../scripts/setup/paths.ts";
import { eventually } from "./nodes.ts";
import { localEngine, type TestRun } from "./run.ts";

/** Whether this machine lets a test run an engine of its own: as root, with the programs for it. */
export const canRunEngine =
  process.getuid?.() === 0 && ["dockerd", "ip", "nsenter"].every((name) => findOnPath(name).length > 0);

/** Where the engine of a run lies. */
export const hostFolder = (runFolder: string) => join(runFolder, "host");

/**
 * A second Docker engine on this machine, in a network namespace of its own: a host that a test may switch off. The
 * machine's own engine is not touched.
 */
export class TestEngine implements AsyncDisposable {
  readonly url: string;
  /** The address at which it publishes ports. */
  readonly address: string;
  /** At which it reaches what this machine publishes. */
  readonly machineAddress: string;
  readonly #name: string;
  readonly #folder: string;
  readonly #subnet: string;
  #daemon: ResultPromise | undefined;

  private constructor(name: string, folder: string) {
    this.#name = name;
    this.#folder = folder;
    this.#subnet = `10.213.${randomInt(1, 255)}`;
    this.address = `${this.#subnet}.2`;
    this.machineAddress = `${this.#subnet}.1`;
    this.url = `unix://${join(folder, "docker.sock")}`;
  }

  /** The engine of a run, to be started or to be removed. */
  static of(prefix: string, runFolder: string): TestEngine {
    return new TestEngine(`pgc${prefix.slice(-5)}`, hostFolder(runFolder));
  }

  /** Makes the namespace, starts the engine and brings it the base image. */
  static async start({ prefix, folder }: TestRun): Promise<TestEngine> {
    const engine = TestEngine.of(prefix, folder);
    mkdirSync(engine.#folder, { recursive: true });
    try {
      await engine.#createNamespace();
      await engine.boot();
      await engine.#bringImages();
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
    return engine;
  }

  /** Starts the engine; returns once it answers. */
  async boot(): Promise<void> {
    const inFolder = (part: string) => join(this.#folder, part);
    const log = { file: inFolder("engine.log"), append: true } as const;
    const daemon = execa(
      "nsenter",
      [
        ...[`--net=/run/netns/${this.#name}`, "dockerd", "--data-root", inFolder("data")],
        ...["--exec-root", inFolder("exec"), "--pidfile", inFolder("docker.pid"), "--host", this.url],
        ...["--bip", `10.214.${this.#subnet.split(".")[2]}.1/24`],
      ],
      // A stop in order takes as long as its containers take.
      { reject: false, stdin: "ignore", stdout: log, stderr: log, forceKillAfterDelay: false },
    );
    this.#daemon = daemon;
    await eventually(
      `the engine answers (its log: ${log.file})`,
      async () => (await execa("docker", ["--host", this.url, "version"], { reject: false })).exitCode === 0,
      60,
    );
  }

  /** Stops the engine in order: it stops its containers, as before a restart of the service. */
  async shutDown(): Promise<void> {
    this.#daemon?.kill("SIGTERM");
    await this.#daemon;
  }

  /** Ends every process of the engine and of its containers at once, as a power cut does. */
  async cutPower(): Promise<void> {
    const containers = await this.#mainProcesses();
    for (const pid of [...this.#namespaceProcesses(), ...containers]) kill(pid);
    await eventually("every process of the engine has ended", async () => {
      const left = this.#namespaceProcesses();
      for (const pid of left) kill(pid);
      return left.length === 0;
    });
    await this.#daemon;
    // What a machine keeps in memory is gone when it comes back.
    await this.#unmountAll();
    for (const part of ["exec", "docker.pid", "docker.sock"])
      await rm(join(this.#folder, part), { recursive: true, force: true });
  }

  /**
   * Cuts the machine off as a pulled cable does: packets are lost, in both directions, and nobody refuses anything; the
   * engine, too, says nothing more. What runs there goes on.
   *
   * @returns puts the cable back
   */
  async cutCable(): Promise<() => Promise<void>> {
    const link = `${this.#name}-n`;
    const rules = [
      ["PREROUTING", "-i", link, "-j", "DROP"],
      ["POSTROUTING", "-o", link, "-j", "DROP"],
    ];
    const change = async (how: "--insert" | "--delete") => {
      for (const rule of rules)
        await execa("nsenter", [`--net=/run/netns/${this.#name}`, "iptables", "-t", "mangle", how, ...rule]);
    };
    await change("--insert");
    // It is reached by a socket here, which no packet crosses.
    this.#daemon?.kill("SIGSTOP");
    return async () => {
      this.#daemon?.kill("SIGCONT");
      await change("--delete");
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon?.kill("SIGCONT");
    await this.cutPower();
    await execa("ip", ["netns", "delete", this.#name], { reject: false });
    await execa("ip", ["link", "delete", `${this.#name}-h`], { reject: false });
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #createNamespace(): Promise<void> {
    const [name, gateway] = [this.#name, this.machineAddress];
    const inside = (...args: string[]) => ["-netns", name, ...args];
    for (const args of [
      ["netns", "add", name],
      ["link", "add", `${name}-h`, "type", "veth", "peer", "name", `${name}-n`, "netns", name],
      ["addr", "add", `${gateway}/24`, "dev", `${name}-h`],
      ["link", "set", `${name}-h`, "up"],
      inside("addr", "add", `${this.address}/24`, "dev", `${name}-n`),
      inside("link", "set", `${name}-n`, "up"),
      inside("link", "set", "lo", "up"),
    ])
      await execa("ip", args);
  }

  /** The base image and the packages' images with their layers' history, so that a build finds them as cached. */
  async #bringImages(): Promise<void> {
    const { stdout } = await execa("docker", [
      ...[
        "--host",
        localEngine,
        "images",
        "--format",
        "{{.Repository}}:{{.Tag}}",
        "pg-continuity-packages/*",
      ],
    ]);
    const names = ["debian:trixie-slim", ...stdout.split("\n").filter(Boolean)];
    const layers = await Promise.all(
      names.map(
        async (name) => (await execa("docker", ["--host", localEngine, "history", "-q", name])).stdout,
      ),
    );
    const ids = new Set(layers.flatMap((text) => text.split("\n")).filter((id) => id !== "<missing>"));
    await execa("docker", ["--host", localEngine, "save", ...names, ...ids], {
      encoding: "buffer",
      buffer: false,
    }).pipe("docker", ["--host", this.url, "load"]);
  }

  /** The main process of each running container; the others of a container end with it. None while the engine is off. */
  async #mainProcesses(): Promise<readonly number[]> {
    const run = async (...args: string[]) =>
      (await execa("docker", ["--host", this.url, ...args], { reject: false })).stdout
        .split("\n")
        .filter(Boolean);
    const ids = await run("ps", "--quiet");
    return ids.length === 0 ? [] : (await run("inspect", "--format", "{{.State.Pid}}", ...ids)).map(Number);
  }

  /** The processes in the engine's own network namespace: the daemon, containerd and its shims, port proxies. */
  #namespaceProcesses(): readonly number[] {
    const path = `/run/netns/${this.#name}`;
    if (!existsSync(path)) return [];
    const namespace = statSync(path).ino;
    if (namespace === statSync("/proc/self/ns/net").ino)
      throw new Error(`${path} is the machine's own namespace`);
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .filter((pid) => namespaceOf(pid) === namespace)
      .map(Number);
  }

  async #unmountAll(): Promise<void> {
    const mounts = readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .filter((path) => path.startsWith(`${this.#folder}/`));
    for (const path of mounts.reverse()) await execa("umount", ["--lazy", path], { reject: false });
  }
}

/** The network namespace of a process; undefined when it has ended, or belongs to somebody whom this user may not look at. */
function namespaceOf(pid: string): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/net`, { throwIfNoEntry: false })?.ino;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EACCES") return undefined;
    throw error;
  }
}

/** Ends a process; one that has ended already is as good. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
