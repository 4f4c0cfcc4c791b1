// The command plugin that setup provides (the official one, or the one built from tools/pulumi) does on a real engine
// what @pulumi/command documents. One project, deployed a few times: the steps build on one another.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PulumiProject, type ResourceState } from "../support/pulumiProject.ts";

const program = `
import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
import { readFileSync } from "node:fs";

const { commands, runs, secret } = JSON.parse(readFileSync("program.json", "utf8"));
for (const [name, { options, ...args }] of Object.entries(commands)) new local.Command(name, args, options);
if (secret) {
  const environment = { TOKEN: pulumi.secret(secret) };
  const options = { additionalSecretOutputs: ["stdout", "stderr"] };
  new local.Command("secretive", { create: 'printf %s "$TOKEN"', environment, logging: "none" }, options);
}
const results = runs.map((args) => local.runOutput(args));
export const ran = pulumi.all(results).apply((all) => all.map(({ stdout, stderr }) => ({ stdout, stderr })));
`;

const log = (event: string) => `echo "${event}" >> events.log`;

/** Every command of the first round; later rounds change some of their inputs. */
const firstRound = {
  lived: {
    create: `echo made; echo trouble >&2; ${log("lived create")}`,
    update: `echo "after $PULUMI_COMMAND_STDOUT and $PULUMI_COMMAND_STDERR"; ${log("lived update")}`,
    delete: log("lived delete after $PULUMI_COMMAND_STDOUT"),
    environment: { ROUND: "1" },
  },
  recreated: {
    create: `echo "round $ROUND"; ${log("recreated create $ROUND")}`,
    environment: { ROUND: "1" },
  },
  triggered: {
    create: log("triggered create $TAG"),
    delete: log("triggered delete $TAG"),
    environment: { TAG: "old" },
    triggers: ["a", { deep: [1] }],
  },
  forgetful: {
    create: "echo before",
    update: ["echo ", "{PULUMI_COMMAND_STDOUT-nothing}"].join("$"),
    environment: { ROUND: "1" },
    addPreviousOutputInEnv: false,
  },
  piped: { create: "cat", stdin: "from stdin" },
  interpreted: { create: "1 + 2", interpreter: ["node", "-p"] },
  placed: { create: "pwd", dir: "backend" },
  ending: { create: String.raw`printf 'a\n\n'` },
  loud: { create: "echo loud-out; echo loud-err >&2" },
  half: { create: "echo half-out; echo half-err >&2", logging: "stderr" },
  silent: { create: "echo silent-out; echo silent-err >&2", logging: "none" },
};

/** The line that an event of the engine shows to the person at the terminal, with the name of its resource. */
function readShownLine(line: string): string[] {
  const { diagnosticEvent }: { diagnosticEvent?: { urn?: string; message: string; severity: string } } =
    JSON.parse(line);
  if (diagnosticEvent?.severity !== "info") return [];
  return [`${diagnosticEvent.urn?.split("::").at(-1)}: ${diagnosticEvent.message.trim()}`];
}

const secret = "correct-horse-battery-staple";

describe("the command plugin", () => {
  const project = new PulumiProject(program);
  let resources: Map<string, ResourceState>;
  const output = (name: string, property = "stdout") => resources.get(name)?.outputs[property];
  const deploy = async (content: object, ...args: string[]) => {
    project.write("program.json", JSON.stringify({ commands: {}, runs: [], ...content }));
    const result = await project.up(...args);
    resources = (await project.export()).resources;
    return result;
  };

  beforeAll(async () => {
    await project.run("stack", "init", "test");
  }, 60_000);
  afterAll(() => project.remove());

  it("runs nothing in a preview but what local.run asks for", async () => {
    const runs = [{ command: `echo out; echo err >&2; cat; ${log("ran")}`, stdin: "in" }];
    project.write("program.json", JSON.stringify({ commands: firstRound, runs }));
    const preview = await project.run("preview", "--suppress-progress");
    expect(preview.exitCode, preview.all).toBe(0);
    expect(project.lines("events.log")).toEqual(["ran"]);
    expect(preview.stdout).toMatch(/stdout: "out\\nin"/);
    expect(preview.stdout).toMatch(/stderr: "err"/);
  });

  it("saves nothing of a create that fails, says why, and tries again", async () => {
    const commands = { failing: { create: `echo why; ${log("failing create")}; test -e allowed` } };
    const first = await deploy({ commands });
    expect(first.exitCode).not.toBe(0);
    expect(first.all).toMatch(/exit status 1: running "echo why; /);
    expect(resources.has("failing")).toBe(false);

    project.write("allowed", "");
    const second = await deploy({ commands });
    expect(second.exitCode, second.all).toBe(0);
    expect(output("failing")).toBe("why");
    expect(project.lines("events.log").filter((line) => line === "failing create")).toHaveLength(2);
  });

  describe("when it creates", () => {
    /** What was shown while the commands ran: name of the resource and line. */
    let shown: string[];
    let state: string;

    beforeAll(async () => {
      const result = await deploy(
        { commands: firstRound, secret },
        "--event-log",
        join(project.folder, "engine.json"),
      );
      expect(result.exitCode, result.all).toBe(0);
      shown = project.lines("engine.json").flatMap(readShownLine);
      state = (await project.export()).text;
    }, 60_000);

    it("keeps what the command printed, without the last line end only", () => {
      expect(output("lived")).toBe("made");
      expect(output("lived", "stderr")).toBe("trouble");
      expect(output("ending")).toBe("a\n");
    });

    it("passes stdin, and runs by the interpreter and in the folder that are asked for", () => {
      expect(output("piped")).toBe("from stdin");
      expect(output("interpreted")).toBe("3");
      expect(output("placed")).toMatch(/\/backend$/);
    });

    it("shows the output that logging asks for, both by default", () => {
      expect(shown).toEqual(expect.arrayContaining(["loud: loud-out", "loud: loud-err", "half: half-err"]));
      expect(shown.filter((line) => /half-out|silent:/.test(line))).toEqual([]);
    });

    it("keeps secrets secret, in inputs and in outputs that are marked", () => {
      expect(resources.get("secretive")?.inputs.environment).toBeDefined();
      expect(state).toContain("ciphertext");
      expect(state).not.toContain(secret);
      expect(shown.join("\n")).not.toContain(secret);
    });
  });

  it("keeps the old state of an update that fails", async () => {
    const commands = { ...firstRound, lived: { ...firstRound.lived, update: "exit 3" } };
    const result = await deploy({ commands, secret });
    expect(result.all).toMatch(/exit status 3/);
    expect(output("lived")).toBe("made");
    expect(output("lived", "update")).toBe(firstRound.lived.update);
  });

  describe("when inputs change", () => {
    beforeAll(async () => {
      const environment = { ROUND: "2" };
      const commands = {
        ...firstRound,
        lived: { ...firstRound.lived, environment },
        recreated: { ...firstRound.recreated, environment },
        forgetful: { ...firstRound.forgetful, environment },
        triggered: { ...firstRound.triggered, environment: { TAG: "new" }, triggers: ["a", { deep: [2] }] },
      };
      const result = await deploy({ commands, secret });
      expect(result.exitCode, result.all).toBe(0);
      expect(result.all).toMatch(/\+-1 replaced/);
    }, 60_000);

    it("runs update with the previous output in its environment", () => {
      expect(output("lived")).toBe("after made and trouble");
      expect(project.lines("events.log").filter((line) => line.startsWith("lived"))).toEqual([
        "lived create",
        "lived update",
      ]);
    });

    it("leaves the previous output out where it is told to", () => {
      expect(output("forgetful")).toBe("nothing");
    });

    it("runs create again where there is no update", () => {
      expect(output("recreated")).toBe("round 2");
    });

    it("replaces for a changed trigger: the new create, then the old delete with the old environment", () => {
      expect(project.lines("events.log").filter((line) => line.startsWith("triggered"))).toEqual([
        "triggered create old",
        "triggered create new",
        "triggered delete old",
      ]);
    });
  });

  it("runs nothing when nothing has changed, a refresh included", async () => {
    const before = project.lines("events.log");
    const result = await project.up("--refresh", "--expect-no-changes");
    expect(result.exitCode, result.all).toBe(0);
    expect(project.lines("events.log")).toEqual(before);
  });

  it("runs delete with the last output when the resource goes", async () => {
    const result = await project.run("destroy", "--yes", "--skip-preview", "--suppress-progress");
    expect(result.exitCode, result.all).toBe(0);
    const events = project.lines("events.log");
    expect(events).toContain("lived delete after after made and trouble");
    expect(events).toContain("triggered delete new");
    expect(existsSync(join(project.folder, "events.log"))).toBe(true);
  });
});
