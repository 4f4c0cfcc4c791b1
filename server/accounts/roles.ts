/** What an account may be. */
export const roles = ["administrator", "operator", "viewer"] as const;
export type Role = (typeof roles)[number];

/** What an operation can ask for. */
export const permissions = [
  "resources.read",
  "secrets.reveal",
  "resources.write",
  "audit.read",
  "accounts.manage",
  "keys.manage",
  "tasks.run",
  "servers.rename",
  "support.download",
] as const;
export type Permission = (typeof permissions)[number];

const granted: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  administrator: new Set(permissions),
  operator: new Set<Permission>(["resources.read", "secrets.reveal", "resources.write"]),
  viewer: new Set<Permission>(["resources.read"]),
};

/** True if that role has that permission. */
export function may(role: Role, permission: Permission): boolean {
  return granted[role].has(permission);
}

/** Who asks, as found at sign-in. */
export interface Actor {
  /** Stable and unique: `administrator` for the deployment's token, else `account:` and the account's id. */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly authentication: "deployment-token" | "token" | "session";
  /** Null for the deployment's token. */
  readonly accountId: string | null;
  /** Of a browser's session. */
  readonly sessionId: string | null;
}

/** Who holds the deployment's own token (the output `adminToken`). */
export const deploymentActor: Actor = {
  id: "administrator",
  name: "administrator",
  role: "administrator",
  authentication: "deployment-token",
  accountId: null,
  sessionId: null,
};
