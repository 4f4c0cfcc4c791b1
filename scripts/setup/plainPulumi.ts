import { accessSync, chmodSync, constants, readFileSync, renameSync, writeFileSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { hasCode, SetupError } from "./errors.ts";
import type { Part } from "./part.ts";
import { findOnPath, isWrapper, pulumiBinFolder, wrapperMark } from "./paths.ts";
import { hasOwnPassphrase } from "./projectState.ts";
import { pulumiCli } from "./pulumiCli.ts";

const wrapperFile = "/usr/local/bin/pulumi";

/** The small program that makes plain `pulumi` work in the project's folder. */
export const wrapperScript = `#!/bin/sh
${wrapperMark}
# In a folder with .state/passphrase it is used, unless the caller has chosen another. Remove this file at will.
if [ -z "\${PULUMI_CONFIG_PASSPHRASE+set}" ] && [ -z "\${PULUMI_CONFIG_PASSPHRASE_FILE+set}" ] &&
  [ -f .state/passphrase ]; then
  export PULUMI_CONFIG_PASSPHRASE_FILE="$PWD/.state/passphrase"
fi
export PULUMI_SKIP_UPDATE_CHECK="\${PULUMI_SKIP_UPDATE_CHECK:-true}"
exec "$HOME/.pulumi/bin/pulumi" "$@"
`;

const passphraseLine = 'export PULUMI_CONFIG_PASSPHRASE_FILE="$PWD/.state/passphrase"';

/** Plain `pulumi`, typed in the project's folder. Nothing that the npm scripts need: they find the CLI themselves. */
export const plainPulumi: Part = {
  name: "plain pulumi",
  wanted: "pulumi on the PATH",
  after: [pulumiCli.name],
  async probe(context) {
    const [where] = findOnPath("pulumi", context.env.PATH);
    if (where && isWrapper(where)) {
      return readFileSync(where, "utf8") === wrapperScript
        ? { isReady: true, found: "with passphrase", where }
        : { isReady: false, found: "outdated", where, remedy: 'run "npm run setup"' };
    }
    if (where) {
      const hint = hasOwnPassphrase(context.env)
        ? undefined
        : `for plain pulumi in this folder: ${passphraseLine}`;
      return { isReady: true, found: "without passphrase", where, ...(hint ? { hint } : {}) };
    }
    if (canInstall(context.env)) return { isReady: false, remedy: 'run "npm run setup"' };
    const hint = `for plain pulumi in this folder: export PATH="$PATH:${pulumiBinFolder}"; ${passphraseLine}`;
    return { isReady: true, found: "not on the PATH", hint };
  },
  async provide() {
    const temporary = `${wrapperFile}.${process.pid}`;
    try {
      writeFileSync(temporary, wrapperScript);
      chmodSync(temporary, 0o755);
      renameSync(temporary, wrapperFile);
    } catch (error) {
      throw new SetupError(
        this.name,
        `${wrapperFile} cannot be written: ${error}`,
        "See the rights of that folder",
      );
    }
  },
};

/** Only where it will be found, and where this user may write. */
function canInstall(environment: NodeJS.ProcessEnv): boolean {
  const folder = dirname(wrapperFile);
  if (!(environment.PATH ?? "").split(delimiter).includes(folder)) return false;
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch (error) {
    if (hasCode(error, "EACCES", "ENOENT", "EROFS")) return false;
    throw error;
  }
}
