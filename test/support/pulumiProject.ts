import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { pulumiEnvironment } from "../../scripts/setup/environment.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";

/** A resource as the stack's state has it. */
export interface ResourceState {
  readonly id?: string;
  readonly inputs: Record<string, unknown>;
  readonly outputs: Record<string, unknown>;
}

/** A small Pulumi project of its own in a temporary folder, with its own backend and passphrase. */
export class PulumiProject {
  readonly folder = mkdtempSync(join(tmpdir(), "pg-continuity-test-"));
  readonly #environment: Record<string, string>;

  constructor(program: string) {
    const backend = join(this.folder, "backend");
    mkdirSync(backend);
    symlinkSync(join(projectFolder, "node_modules"), join(this.folder, "node_modules"));
    writeFileSync(join(this.folder, "package.json"), '{"type": "module", "main": "index.mjs"}');
    writeFileSync(
      join(this.folder, "Pulumi.yaml"),
      "name: standins\nruntime: {name: nodejs, options: {typescript: false}}\nmain: index.mjs\n",
    );
    writeFileSync(join(this.folder, "index.mjs"), program);
    this.#environment = {
      ...pulumiEnvironment({ ...process.env, PULUMI_CONFIG_PASSPHRASE: "test" }),
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_BACKEND_URL: `file://${backend}`,
      // Makes --event-log known, which writes what the engine is told while commands run.
      PULUMI_DEBUG_COMMANDS: "true",
    };
  }

  /** Runs `pulumi` in the folder; never throws for its exit code. */
  async run(...args: string[]) {
    const options = { cwd: this.folder, env: this.#environment, reject: false, all: true } as const;
    const { exitCode, all, stdout } = await execa("pulumi", [...args, "--non-interactive"], options);
    return { exitCode, all, stdout };
  }

  /** Deploys the program; an exit code other than 0 is for the caller to judge. */
  up(...args: string[]) {
    return this.run("up", "--yes", "--skip-preview", "--suppress-progress", ...args);
  }

  /** The state as it lies in the backend, secrets encrypted. */
  async export(): Promise<{ text: string; resources: Map<string, ResourceState> }> {
    const { stdout } = await this.run("stack", "export");
    const deployment: { resources?: (ResourceState & { urn: string })[] } = JSON.parse(stdout).deployment;
    const byName = (deployment.resources ?? []).map(
      (resource) => [resource.urn.split("::").at(-1) ?? "", resource] as const,
    );
    return { text: stdout, resources: new Map(byName) };
  }

  write(name: string, content: string): void {
    writeFileSync(join(this.folder, name), content);
  }

  /** Lines of a file that the program's commands have written. */
  lines(name: string): string[] {
    return readFileSync(join(this.folder, name), "utf8").split("\n").filter(Boolean);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
