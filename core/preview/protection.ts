import { refusedMark } from "../problems.ts";

/**
 * Pulumi names a protected resource by its whole URN, and tells people to lift the protection. This says what is in it,
 * and what to do.
 *
 * @param said a message of Pulumi
 * @returns undefined where it is about something else
 */
export function protectionText(said: string): string | undefined {
  const deleted = /"urn:[^"]*::([^":]+)" cannot be deleted\s+because it is protected/.exec(said)?.[1];
  const replaced =
    /unable to replace resource "urn:[^"]*::([^":]+)"\s+as it is currently marked for protection/.exec(
      said,
    )?.[1];
  const name = deleted ?? replaced;
  if (name === undefined) return undefined;
  const action = deleted === undefined ? "replaced" : "deleted";
  const would = `${refusedMark}: ${name} would be ${action}, and it is protected`;
  const [, node] = /^(.+-database)(?:-on-.+)?-data$/.exec(name) ?? [];
  if (node === undefined)
    return `${would}, because data or keys go with it. Leave it as it is; "npm run down -- --volumes" gives all of the stack up on purpose.`;
  const giveUp = `pulumi config set giveUpVolume ${name}`;
  const wayOut =
    action === "replaced"
      ? `: ${giveUp}`
      : `, give it up before this change ("${giveUp} && pulumi up" with the config as it was), then make the change.`;
  return `${would}, because it holds the data of ${node}. Take the change back. If that copy is not needed any more${wayOut}`;
}
