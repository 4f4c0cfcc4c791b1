import { existsSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { passphraseFile, pulumiBinFolder } from "./paths.ts";
import { hasOwnPassphrase } from "./projectState.ts";
import { pulumiCandidates } from "./pulumiCli.ts";

/** The CLI that setup has found in this process: not always the first on the PATH, which may be too old. */
let chosenPulumi: string | undefined;

/** Makes a CLI the one that `pulumiEnvironment` puts in front from now on. */
export function usePulumi(file: string): void {
  chosenPulumi = file;
}

/**
 * What a child process needs beside the present environment so that `pulumi` is the CLI that setup has found, works on
 * this project's state and asks for nothing. The caller's own choices (passphrase, backend) stay.
 *
 * @param pulumi the CLI to use. Default: the one that setup has found in this process, else the first on the PATH, else
 * the one in the official installer's place.
 */
export function pulumiEnvironment(
  environment: NodeJS.ProcessEnv = process.env,
  pulumi: string | undefined = chosenPulumi ?? pulumiCandidates(environment)[0],
): Record<string, string> {
  const result: Record<string, string> = {
    PATH: pathWith(pulumi ? dirname(pulumi) : pulumiBinFolder, environment.PATH),
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  if (!hasOwnPassphrase(environment) && existsSync(passphraseFile)) {
    result.PULUMI_CONFIG_PASSPHRASE_FILE = passphraseFile;
  }
  if (environment.PULUMI_BACKEND_URL) result.PULUMI_BACKEND_URL = environment.PULUMI_BACKEND_URL;
  return result;
}

/** The PATH with a folder in front, once. */
export function pathWith(folder: string, path: string | undefined): string {
  const others = (path ?? "").split(delimiter).filter((entry) => entry !== "" && entry !== folder);
  return [folder, ...others].join(delimiter);
}
