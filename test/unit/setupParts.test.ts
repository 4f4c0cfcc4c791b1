import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Context } from "../../scripts/setup/context.ts";
import { removeStaleFiles } from "../../scripts/setup/dockerDaemon.ts";
import { dockerHost, remedyFor } from "../../scripts/setup/dockerEngine.ts";
import { download } from "../../scripts/setup/download.ts";
import {
  type Part,
  SetupError,
  SetupInterrupted,
  type SetupOptions,
  setup,
} from "../../scripts/setup/index.ts";
import { acquireLock } from "../../scripts/setup/lock.ts";
import { Log } from "../../scripts/setup/log.ts";

let folder: string;
let context: Context;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pg-continuity-unit-"));
  context = newContext();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function newContext(signal = new AbortController().signal): Context {
  return new Context({ env: process.env, log: new Log(join(folder, "logs"), "test"), signal });
}

/** A part that is ready once it has been provided, and that writes down what was done. */
function fakePart(name: string, events: string[], options: { after?: string[]; fails?: boolean } = {}): Part {
  let isReady = false;
  return {
    name,
    wanted: "1",
    after: options.after ?? [],
    probe: async () => (isReady ? { isReady, found: "1" } : { isReady }),
    provide: async (_, report) => {
      report("working");
      events.push(`${name} begins`);
      await sleep(10);
      if (options.fails) throw new SetupError(name, "it is broken", "Mend it");
      isReady = true;
      events.push(`${name} ends`);
    },
  };
}

/** Setup that says nothing, and that no other setup on this machine holds up. */
function setupHere(options: SetupOptions) {
  return setup({
    say: () => undefined,
    logFolder: join(folder, "logs"),
    lockFile: join(folder, "setup.lock"),
    ...options,
  });
}

describe("setup", () => {
  it("provides what is missing, each part after those it needs, and nothing the second time", async () => {
    const events: string[] = [];
    const parts = [fakePart("image", events, { after: ["engine"] }), fakePart("engine", events)];
    const first = await setupHere({ parts });
    expect(events).toEqual(["engine begins", "engine ends", "image begins", "image ends"]);
    expect(first.provided).toEqual(["engine", "image"]);
    expect(readFileSync(first.logFile ?? "", "utf8")).toBeDefined();

    const second = await setupHere({ parts });
    expect(second.provided).toEqual([]);
    expect(second.logFile).toBeUndefined();
    expect(events).toHaveLength(4);
  });

  it("says which part failed, what to do and where the log is, and tries nothing that needs it", async () => {
    const events: string[] = [];
    const parts = [
      fakePart("engine", events, { fails: true }),
      fakePart("image", events, { after: ["engine"] }),
    ];
    const error = await setupHere({ parts }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SetupError);
    expect(String(error)).toMatch(/^SetupError: engine: it is broken\. Mend it\.\nLog: .*setup-.*\.log$/);
    expect(events).toEqual(["engine begins"]);
  });

  it("does not take a part for ready that is still missing after it was provided", async () => {
    const part: Part = { ...fakePart("engine", []), probe: async () => ({ isReady: false }) };
    await expect(setupHere({ parts: [part] })).rejects.toThrow("engine: it is still not there");
  });

  it("ends when it is interrupted", async () => {
    const controller = new AbortController();
    const parts: Part[] = [
      {
        ...fakePart("engine", []),
        provide: async (running) => {
          setTimeout(() => controller.abort(), 50);
          await running.run("sleep", ["30"]);
        },
      },
    ];
    await expect(setupHere({ parts, signal: controller.signal })).rejects.toThrow(SetupInterrupted);
  });

  it("lets one at a time work: the second finds what the first has provided", async () => {
    const events: string[] = [];
    const parts = [fakePart("engine", events)];
    const results = await Promise.all([setupHere({ parts }), setupHere({ parts })]);
    expect(events).toEqual(["engine begins", "engine ends"]);
    expect(results.flatMap((result) => result.provided)).toEqual(["engine"]);
  });
});

describe("a program that setup runs", () => {
  it("reports how it failed in one line", async () => {
    expect(await context.run("sh", ["-c", "echo first; echo last >&2; exit 3"])).toMatchObject({
      ok: false,
      exitCode: 3,
      stdout: "first",
      failure: "last",
    });
    expect((await context.run("no-such-program", [])).failure).toContain("ENOENT");
    expect((await context.run("sleep", ["9"], { timeoutSeconds: 0.05 })).failure).toBe("no end after 0.05 s");
    expect((await context.run("sleep", ["9"], { firstOutputSeconds: 0.05 })).failure).toMatch(
      /no answer within/,
    );
  });
});

describe("a download", () => {
  const serve = async (listener: RequestListener, use: (url: string) => Promise<void>) => {
    const server = createServer(listener).listen(0, "127.0.0.1");
    try {
      await new Promise((resolve) => server.once("listening", resolve));
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/file`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  };

  it("is written to the file", () =>
    serve(
      (_, response) => response.end("content"),
      async (url) => {
        await download(context, url, join(folder, "file"));
        expect(readFileSync(join(folder, "file"), "utf8")).toBe("content");
      },
    ));

  it("fails for an answer that is no file, and for one that breaks off", async () => {
    await serve(
      (_, response) => response.writeHead(404).end(),
      (url) => expect(download(context, url, join(folder, "a"))).rejects.toThrow(`${url} answers 404`),
    );
    await serve(
      (_, response) => {
        response.writeHead(200, { "content-length": "100" }).write("half");
        setTimeout(() => response.destroy(), 20);
      },
      (url) => expect(download(context, url, join(folder, "b"))).rejects.toThrow(),
    );
  });
});

describe("the lock", () => {
  it("is free again when its owner lets go", async () => {
    const file = join(folder, "lock");
    const release = await acquireLock(context, file, () => undefined);
    let isHeldTwice = false;
    const second = acquireLock(context, file, () => undefined).then((releaseSecond) => {
      isHeldTwice = true;
      return releaseSecond;
    });
    await sleep(100);
    expect(isHeldTwice).toBe(false);
    release();
    (await second)();
  });
});

describe("the docker engine", () => {
  it("is the one that DOCKER_HOST names", () => {
    expect(dockerHost({ DOCKER_HOST: "tcp://h:2376" })).toBe("tcp://h:2376");
    expect(dockerHost({})).toBe("unix:///var/run/docker.sock");
  });

  it("has a remedy for each way of not answering", () => {
    expect(remedyFor("anything", { DOCKER_HOST: "tcp://h:1" })).toContain("check DOCKER_HOST (tcp://h:1)");
    expect(remedyFor("dial unix: connect: permission denied", {})).toContain("usermod -aG docker");
  });

  it("can start again where a dead one has left its files", () => {
    const files = {
      pid: join(folder, "docker.pid"),
      garbled: join(folder, "garbled.pid"),
      socket: join(folder, "s"),
    };
    // The number of a process that lives, but is no engine: this test.
    writeFileSync(files.pid, String(process.pid));
    writeFileSync(files.garbled, "");
    writeFileSync(files.socket, "");
    const isAlive = removeStaleFiles(context, {
      socket: files.socket,
      pidFiles: {
        [files.pid]: "dockerd",
        [files.garbled]: "containerd",
        [join(folder, "none")]: "containerd",
      },
      logFile: join(folder, "log"),
      args: [],
    });
    expect(isAlive).toBe(false);
    for (const file of Object.values(files)) expect(existsSync(file)).toBe(false);
  });
});
