import { execa } from "execa";
import { parseDigest } from "../../core/preview/digest.ts";
import { assess, type ImpactReport } from "../../core/preview/report.ts";
import { settingChanges } from "../../core/preview/settingChanges.ts";
import { ProblemsError, renderProblems } from "../../core/problems.ts";
import { orderProblems } from "../../core/rotation.ts";
import { parseSettings, type Settings } from "../../core/settings.ts";
import { judge, type Status } from "../../core/status.ts";
import { deriveTopology, type Topology } from "../../core/topology.ts";
import { type DeployedStack, explain, projectName, readDeployed } from "../cli/pulumi.ts";
import { observe } from "../observe/index.ts";
import { sameNameProblems } from "../sameName.ts";
import { pulumiEnvironment } from "../setup/index.ts";

/**
 * Previews a stack and judges what it would do. Changes nothing; needs no access to databases or engines (what cannot
 * be asked is said to be unknown).
 *
 * @throws Error when there is no preview to judge: no such stack, wrong passphrase
 */
export async function previewImpact(stack: string, configFile?: string): Promise<ImpactReport> {
  const [preview, deployed] = await Promise.all([runPreview(stack, configFile), readDeployed(stack)]);
  const digest = parseDigest(preview.document, preview.failure);
  const wanted = settingsOf(digest.config);
  const topology = wanted && deriveTopology(projectName, stack, wanted);
  const status =
    deployed &&
    judge(
      deployed.topology,
      await observe(deployed.topology, deployed.access),
      deployed.settings.credentials,
    );
  return assess(digest, {
    stack,
    deployed: deployed && status ? { topology: deployed.topology, writable: writableOf(status) } : null,
    wanted: topology,
    settings: deployed && wanted ? settingChanges(deployed.settings, wanted) : [],
    refused: await refusals(deployed, wanted, topology),
    drift: status?.findings ?? [],
  });
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

/** What Pulumi itself does not refuse in a preview, but an `up` will. */
async function refusals(
  deployed: DeployedStack | null,
  wanted: Settings | null,
  topology: Topology | null,
): Promise<readonly string[]> {
  if (wanted === null || topology === null) return [];
  if (deployed) return orderProblems(deployed.settings.credentials, wanted.credentials);
  return (await sameNameProblems(topology)).map((problem) => renderProblems([problem]));
}

function writableOf({ databases }: Status) {
  return databases.find(({ role }) => role === "primary")?.name ?? null;
}
