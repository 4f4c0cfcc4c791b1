import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasCode } from "./errors.ts";

/** The project's folder. */
export const projectFolder = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Local state of the project that is never committed. */
export const stateFolder = join(projectFolder, ".state");
export const backendFolder = join(stateFolder, "backend");
export const logFolder = join(stateFolder, "logs");
export const passphraseFile = join(stateFolder, "passphrase");
/** The config of stack dev, whose state and passphrase stand in `stateFolder`. */
export const devConfigFile = join(projectFolder, "Pulumi.dev.yaml");

/** Where the official installer puts the Pulumi CLI and its language hosts. */
export const pulumiBinFolder = join(homedir(), ".pulumi", "bin");

/** Where the Pulumi CLI keeps its plugins: it goes by the user's entry in the system, not by $HOME. */
export function pulumiHome(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.PULUMI_HOME || join(userInfo().homedir, ".pulumi");
}

/** First line that tells our wrapper from any other program called pulumi. */
export const wrapperMark = "# pg-continuity: plain pulumi with the project's passphrase";

/** Whether the file is the wrapper that setup installs, not Pulumi itself. */
export function isWrapper(file: string): boolean {
  return statSync(file).size < 4096 && readFileSync(file, "utf8").includes(wrapperMark);
}

/** Every executable of that name on the PATH, in its order. */
export function findOnPath(name: string, path: string = process.env.PATH ?? ""): string[] {
  return path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .filter(isExecutable);
}

/** Whether there is such a file and this user may run it. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch (error) {
    if (hasCode(error, "ENOENT", "EACCES", "ENOTDIR", "ELOOP")) return false;
    throw error;
  }
}
