import { type Digest, type PreviewStep, parseUrn } from "./digest.ts";

/** What becomes of a resource. */
export const actions = ["created", "updated in place", "restarted", "replaced", "deleted"] as const;
export type Action = (typeof actions)[number];

/** What kind of resource it is, as far as its effect goes. */
export type ResourceKind =
  | "container"
  | "data volume"
  | "state volume"
  | "network"
  | "engine"
  | "image"
  | "credential"
  | "certificate"
  | "configuration"
  | "first step"
  | "release"
  | "turn"
  | "acknowledgement"
  | "transition"
  | "restart"
  | "check"
  | "unknown";

/** One resource that a preview would change. */
export interface Change {
  /** Its logical name. */
  readonly name: string;
  readonly kind: ResourceKind;
  /** The node that it belongs to: `shared-database`, `gateway` …; null where it belongs to none. */
  readonly node: string | null;
  readonly action: Action;
  /** The properties that differ, as Pulumi names them; empty for what is created or deleted. */
  readonly because: readonly string[];
  /** It is left where it is: Pulumi only forgets it. */
  readonly isRetained: boolean;
}

const types = {
  container: "docker:index/container:Container",
  volume: "docker:index/volume:Volume",
  network: "docker:index/network:Network",
  provider: "pulumi:providers:docker",
  command: "command:local:Command",
  stash: "pulumi:index:Stash",
} as const;

/** The kinds of command, by the verb that their names begin with. */
const verbs: Readonly<Record<string, ResourceKind>> = {
  build: "image",
  configure: "configuration",
  initialise: "first step",
  attach: "first step",
  release: "release",
  await: "turn",
  synchronous: "acknowledgement",
  switch: "acknowledgement",
  promote: "transition",
  restore: "transition",
  rebuild: "transition",
  restart: "restart",
  check: "check",
};

/** What a preview would change, one entry a resource; components and what stays the same are left out. */
export function changesOf(digest: Digest): readonly Change[] {
  const byUrn = new Map<string, PreviewStep[]>();
  for (const step of digest.steps) {
    const steps = byUrn.get(step.urn) ?? [];
    steps.push(step);
    byUrn.set(step.urn, steps);
  }
  return [...byUrn].flatMap(([urn, steps]) => {
    const change = changeOf(urn, steps);
    return change ? [change] : [];
  });
}

/** Whether a node moves: on another host it is another resource, made before the old one goes. */
export function movesToAnotherHost(moved: string | null, changes: readonly Change[]): boolean {
  const becomes = (wanted: Action) =>
    changes.some(({ kind, node, action }) => kind === "container" && node === moved && action === wanted);
  return becomes("created") && becomes("deleted");
}

/** Operations that change nothing by themselves. */
const idle = new Set(["same", "read", "refresh", "discard", "discard-replaced", "remove-pending-replace"]);

function changeOf(urn: string, steps: readonly PreviewStep[]): Change | undefined {
  const active = steps.filter(({ op }) => !idle.has(op));
  const { type, name } = parseUrn(urn);
  const kind = kindOf(type, name);
  if (active.length === 0 || kind === undefined) return undefined;
  const removed = active.find(({ op }) => op.startsWith("delete"));
  return {
    name,
    kind,
    node: nodeOf(kind, name),
    action: actionOf(active, kind),
    because: reasonsOf(active),
    isRetained: removed?.oldState?.retainOnDelete === true,
  };
}

function actionOf(steps: readonly PreviewStep[], kind: ResourceKind): Action {
  const operations = new Set(steps.map(({ op }) => op));
  const isReplaced = [...operations].some((op) => op === "replace" || op.endsWith("replacement"));
  // It runs again for other reasons, too, and then restarts nothing.
  if (kind === "restart" && operations.has("update") && steps.some(changesParameters)) return "restarted";
  if (isReplaced || operations.has("delete-replaced")) return "replaced";
  if (operations.has("create")) return "created";
  if (operations.has("delete")) return "deleted";
  // A container that was found stopped is started by an update of this one property.
  if (kind === "container" && reasonsOf(steps).includes("mustRun")) return "restarted";
  return "updated in place";
}

/** Whether a step changes the parameters for which databases are restarted. */
function changesParameters({ oldState, newState }: PreviewStep): boolean {
  const [old, wanted] = [oldState, newState].map(
    (state) => (state?.inputs?.environment as { readonly PARAMETERS?: unknown } | undefined)?.PARAMETERS,
  );
  return old !== wanted;
}

/** Paths like `ports[0].external` by their first part, each once. */
function reasonsOf(steps: readonly PreviewStep[]): readonly string[] {
  const paths = steps.flatMap(({ detailedDiff, diffReasons, replaceReasons }) => [
    ...(replaceReasons ?? []),
    ...(diffReasons ?? []),
    ...Object.keys(detailedDiff ?? {}),
  ]);
  return [...new Set(paths.map((path) => path.split(/[.[]/)[0] ?? path))].filter((path) => path !== "");
}

/** Undefined for components and the stack itself: what they hold stands in their parts. */
function kindOf(type: string, name: string): ResourceKind | undefined {
  switch (type) {
    case types.container:
      return "container";
    case types.volume:
      return name.endsWith("-data") ? "data volume" : "state volume";
    case types.network:
      return "network";
    case types.provider:
      return "engine";
    case types.stash:
      return name.includes("-certificate-") ? "certificate" : "credential";
    case types.command:
      return verbs[name.split("-")[0] ?? ""] ?? "unknown";
    default:
      return /^(pulumi:pulumi:Stack$|pulumi:providers:|pg-continuity:)/.test(type) ? undefined : "unknown";
  }
}

const nodePattern =
  /(?:shared|read-only)-database|(?:primary|secondary|read-only)-(?:server|application)|gateway|backup/;

function nodeOf(kind: ResourceKind, name: string): string | null {
  if (kind === "image" || kind === "network" || kind === "engine" || kind === "unknown") return null;
  return nodePattern.exec(name)?.[0] ?? null;
}
