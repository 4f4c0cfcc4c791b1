import { execa } from "execa";
import { parseDigest } from "../../core/preview/digest.ts";
import { assess, type ImpactReport } from "../../core/preview/report.ts";
import { settingChanges } from "../../core/preview/settingChanges.ts";
import { ProblemsError } from "../../core/problems.ts";
import { orderProblems } from "../../core/rotation.ts";
import { parseSettings, type Settings } from "../../core/settings.ts";
import { judge, type Status } from "../../core/status.ts";
import { deriveTopology } from "../../core/topology.ts";
import { type DeployedStack, explain, projectName, readDeployed } from "../cli/pulumi.ts";
import { observe } from "../observe/index.ts";
import { pulumiEnvironment } from "../setup/index.ts";

/**
 * Previews a stack and judges what it would do. Changes nothing; needs no access to databases or engines (what cannot
 * be asked is said to be unknown).
 *
 * @throws Error when there is no preview to judge: no such stack, wrong passphrase
 */
export async function previewImpact(stack: string, configFile?: string): Promise<ImpactReport> {
  const [preview, { deployed, status }] = await Promise.all([runPreview(stack, configFile), look(stack)]);
  const digest = parseDigest(preview.document, preview.failure);
  const wanted = settingsOf(digest.config);
  return assess(digest, {
    stack,
    deployed: deployed && status ? { topology: deployed.topology, writable: writableOf(status) } : null,
    wanted: wanted && deriveTopology(projectName, stack, wanted),
    settings: deployed && wanted ? settingChanges(deployed.settings, wanted) : [],
    // What Pulumi itself does not refuse in a preview, but an `up` will.
    refused: deployed && wanted ? orderProblems(deployed.settings.credentials, wanted.credentials) : [],
    drift: status?.findings ?? [],
  });
}

/** The stack as it was deployed last, and what runs of it now; null where nothing was deployed. */
async function look(
  stack: string,
): Promise<{ readonly deployed: DeployedStack | null; readonly status: Status | null }> {
  const deployed = await readDeployed(stack);
  if (deployed === null) return { deployed, status: null };
  const { topology, access, settings } = deployed;
  return { deployed, status: judge(topology, await observe(topology, access), settings.credentials) };
}

/** What `pulumi preview --json` prints; where it fails it still prints what it knows, and mostly why. */
async function runPreview(
  stack: string,
  configFile: string | undefined,
): Promise<{ readonly document: string; readonly failure?: string }> {
  const file = configFile === undefined ? [] : ["--config-file", configFile];
  const { stdout, stderr, failed } = await execa(
    "pulumi",
    ["preview", "--json", "--stack", stack, "--non-interactive", ...file],
    { env: pulumiEnvironment(), reject: false, stdin: "ignore" },
  );
  if (failed && stdout.trim() === "") throw new Error(explain(stderr));
  return { document: stdout, ...(failed ? { failure: explain(stderr) } : {}) };
}

/** Null where the config is wrong: what is wrong with it stands among the preview's errors. */
function settingsOf(config: Readonly<Record<string, string>>): Settings | null {
  try {
    return parseSettings(config, { secretsAreHidden: true });
  } catch (error) {
    if (error instanceof ProblemsError) return null;
    throw error;
  }
}

function writableOf({ databases }: Status) {
  return databases.find(({ role }) => role === "primary")?.name ?? null;
}
