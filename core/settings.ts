import { closest, distance } from "fastest-levenshtein";
import { z } from "zod";
import { alertProblems, alertSettingsSchema, mayHoldSecret } from "./alerts/settings.ts";
import { applicationProblems, applicationSchema } from "./applicationSettings.ts";
import { backupSettingsSchema } from "./backups/settings.ts";
import { gatewayAddressOf, hostProblems } from "./hostRules.ts";
import { ownCertificateProblems } from "./ownCertificate.ts";
import { parameterProblem } from "./parameterCatalogue.ts";
import { managedParameters, parameterText } from "./postgresParameters.ts";
import { type Problem, ProblemsError } from "./problems.ts";
import { memoryProblems, resourcesSchema } from "./resourceLimits.ts";
import { isTextAt, knownKeysAt, shapeOf } from "./settingsShape.ts";
import { transitions } from "./transition/step.ts";
import { databaseNames, models, serverNames } from "./vocabulary.ts";

/** The namespace of the project's config keys (the project's name in Pulumi.yaml). */
export const configNamespace = "pg-continuity";

const port = z.number().int().min(1).max(65535);

/** The published port of each node. Every one can be set alone. */
export const defaultPorts = {
  gateway: 8443,
  gatewayStatistics: 8404,
  "primary-server": 8451,
  "secondary-server": 8452,
  "read-only-server": 8453,
  "primary-application": 8461,
  "secondary-application": 8462,
  "read-only-application": 8463,
  "shared-database": 5451,
  "read-only-database": 5452,
} as const;

const hostSchema = z.strictObject({
  /** URL of the Docker engine: unix://, ssh:// or tcp:// (with TLS). */
  docker: z.string().regex(/^(unix|ssh|tcp):\/\/.+/, "is no Docker URL (unix://, ssh:// or tcp://)"),
  /** The address at which the other hosts reach what this host publishes. */
  address: z.string().min(1),
});

/** Where no host is named: the engine of this machine. */
const localHost = { local: { docker: "unix:///var/run/docker.sock", address: "127.0.0.1" } };

const nodeNames = [
  "gateway",
  ...serverNames.map((n) => `${n}-server`),
  ...databaseNames.map((n) => `${n}-database`),
];

/** Generations of a secret: the one in use, and another that is accepted beside it. */
const generation = z.number().int().min(1);
const generations = z.tuple([generation], generation).default([1]);

/** Becomes part of an image's tag. */
const revision = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{0,40}$/, "is no revision (at most 40 of A-Z, a-z, 0-9, _, . and -)");

const parameterValue = z.union([z.string(), z.number(), z.boolean()]);

/** What the stack's config may hold. Every key has a default; Pulumi.yaml declares the same ones. */
export const settingsSchema = z.strictObject({
  model: z.enum(models).default("full"),
  hosts: z
    .record(z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "is no host name (a-z, 0-9, -)"), hostSchema)
    .default({})
    .transform((hosts) => (Object.keys(hosts).length === 0 ? localHost : hosts)),
  placement: z.partialRecord(z.enum(nodeNames), z.string()).default({}),
  publishedAddress: z.ipv4().default("127.0.0.1"),
  gatewayAddress: z
    .string()
    .regex(/^([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*)?$/, "is neither a DNS name nor an IPv4 address")
    .default(""),
  gatewayCertificate: z.string().trim().default(""),
  gatewayKey: z.string().trim().default(""),
  gatewayAuthority: z.string().trim().default(""),
  ports: z
    .strictObject({
      gateway: port.default(defaultPorts.gateway),
      gatewayStatistics: port.default(defaultPorts.gatewayStatistics),
      "primary-server": port.default(defaultPorts["primary-server"]),
      "secondary-server": port.default(defaultPorts["secondary-server"]),
      "read-only-server": port.default(defaultPorts["read-only-server"]),
      "primary-application": port.default(defaultPorts["primary-application"]),
      "secondary-application": port.default(defaultPorts["secondary-application"]),
      "read-only-application": port.default(defaultPorts["read-only-application"]),
      "shared-database": port.default(defaultPorts["shared-database"]),
      "read-only-database": port.default(defaultPorts["read-only-database"]),
    })
    .prefault({}),
  displayNames: z.partialRecord(z.enum(serverNames), z.string().min(1).max(60)).default({}),
  application: applicationSchema.prefault({}),
  postgresParameters: z.record(z.string(), parameterValue).default({}),
  imageRevision: revision.default(""),
  imageRevisions: z
    .strictObject({
      database: revision.optional(),
      server: revision.optional(),
      gateway: revision.optional(),
    })
    .prefault({}),
  resources: resourcesSchema,
  slotWalKeepMegabytes: z.number().int().min(64).default(1024),
  synchronous: z.boolean().default(false),
  transition: z.enum(["none", ...transitions]).default("none"),
  transitionId: z.string().max(120).default(""),
  allowDataLoss: z.string().default(""),
  primaryIsDown: z.string().default(""),
  keepDiverged: z.boolean().default(true),
  readUnsentWal: z.boolean().default(true),
  dataProtection: z.boolean().default(true),
  giveUpVolume: z
    .string()
    .regex(
      /^((shared|read-only)-database(-on-[a-z][a-z0-9-]{0,30})?-data)?$/,
      "is no data volume (shared-database-data, read-only-database-data; with several hosts NODE-on-HOST-data)",
    )
    .default(""),
  backups: backupSettingsSchema.prefault({}),
  alerts: alertSettingsSchema.prefault({}),
  credentials: z
    .strictObject({ passwords: generations, certificates: generations, key: generations, token: generations })
    .prefault({}),
});

export type Settings = DeepReadonly<z.infer<typeof settingsSchema>>;
/** A transitionId of 4711 is text and no number: which key is text the schema says. */
const shape = shapeOf(settingsSchema);
type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/**
 * Turns the stack's raw config into settings.
 *
 * @param raw all config of the stack as Pulumi hands it over: full key (`pg-continuity:model`) → text;
 *   objects, numbers and booleans arrive as JSON text. Keys of other namespaces are left alone.
 * @param source where it comes from, as far as that matters
 * @returns settings with every default filled in, frozen all the way down
 * @throws ProblemsError with all problems at once: unknown keys (with the nearest known one), wrong types,
 *   values out of range, and rules between keys
 */
export function parseSettings(raw: Readonly<Record<string, string>>, source: ConfigSource = {}): Settings {
  const problems: Problem[] = [];
  const known = Object.keys(settingsSchema.shape);
  const values: Record<string, unknown> = {};
  for (const [fullKey, text] of Object.entries(raw)) {
    if (!fullKey.startsWith(`${configNamespace}:`)) continue;
    const key = fullKey.slice(configNamespace.length + 1);
    if (!known.includes(key)) problems.push(unknownKey(fullKey, key, known, configNamespace));
    else values[key] = isTextAt(shape, key) ? text : parseJson(text);
  }
  const parsed = settingsSchema.safeParse(values);
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap((issue) => toProblems(issue, values)));
  else problems.push(...crossFieldProblems(parsed.data, source));
  if (problems.length > 0 || !parsed.success) throw new ProblemsError(problems);
  return deepFreeze(parsed.data);
}

/** What is known of a config beside its values. */
export interface ConfigSource {
  /** Whether the value of a full key, or a part of it, is encrypted in the stack's file. Nothing is held against it where this is not given. */
  readonly isSecret?: (fullKey: string) => boolean;
  /** Secrets are hidden from whoever reads, as in a preview as JSON. */
  readonly secretsAreHidden?: boolean;
  readonly now?: Date;
}

/** The keys whose values are secrets. */
const secretKeys = ["gatewayKey"] as const;

/** Settings that may be shown and kept: each secret is only said to be one. */
export function withoutSecrets(settings: Settings): Settings {
  const hidden = secretKeys.flatMap((key) => (settings[key] === "" ? [] : [[key, "[secret]"]]));
  return { ...settings, ...Object.fromEntries(hidden) };
}

/** Text that is no JSON stays text: the schema then says which type was wanted. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function unknownKey(path: string, key: string, known: readonly string[], set: string): Problem {
  const nearest = closest(key, [...known]);
  const hint =
    distance(key, nearest) <= Math.max(2, key.length / 3)
      ? `Did you mean "${nearest}"?`
      : `Known are: ${known.join(", ")}.`;
  return {
    path,
    reason: "is no setting of this project",
    remedy: `${hint} Remove it with "pulumi config rm ${set === configNamespace ? path : key}".`,
  };
}

function toProblems(issue: z.core.$ZodIssue, values: Record<string, unknown>): Problem[] {
  const path = `${configNamespace}:${issue.path.map(String).join(".")}`;
  if (issue.code === "unrecognized_keys") {
    const siblings = knownKeysAt(shape, issue.path.map(String));
    return issue.keys.map((key) => {
      const nearest = siblings.length > 0 ? closest(key, [...siblings]) : undefined;
      const hint =
        nearest && distance(key, nearest) <= Math.max(2, key.length / 3) ? ` Did you mean "${nearest}"?` : "";
      return {
        path: `${path}.${key}`,
        reason: "is no setting of this project",
        remedy: `Remove it.${hint}${siblings.length > 0 ? ` Known are: ${siblings.join(", ")}.` : ""}`,
      };
    });
  }
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], values);
  const top = String(issue.path[0]);
  return [
    {
      path,
      // Of a wrong name the value below it says nothing; of a missing one there is none.
      ...(value === undefined || issue.code === "invalid_key" || mayHoldSecret(issue.path)
        ? {}
        : { value: JSON.stringify(value) }),
      reason: value === undefined ? "is missing" : reasonOf(issue),
      remedy:
        issue.code === "invalid_key"
          ? "Give it another name."
          : `Set it with "pulumi config set ${issue.path.length > 1 ? `--path '${issue.path.map(String).join(".")}'` : top} VALUE".`,
    },
  ];
}

/** The schema's names of types, as people call them. */
const typeNames: Readonly<Record<string, string>> = { record: "object", int: "whole number", string: "text" };

function reasonOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_value":
      return `is none of ${issue.values.map(String).join(", ")}`;
    case "invalid_type":
      return `is no ${typeNames[issue.expected] ?? issue.expected}`;
    case "invalid_union":
      return "is neither text, nor number, nor boolean";
    case "too_small":
      return `is too ${issue.origin === "string" ? "short" : "small"} (at least ${issue.minimum})`;
    case "too_big":
      return `is too ${issue.origin === "string" ? "long" : "large"} (at most ${issue.maximum})`;
    case "invalid_key":
      return issue.issues.map((inner) => inner.message).join("; ");
    case "invalid_format":
      return issue.format === "ipv4" ? "is no IPv4 address" : issue.message;
    default:
      return issue.message;
  }
}

/** Rules that need more than one key. */
function crossFieldProblems(settings: z.infer<typeof settingsSchema>, source: ConfigSource): Problem[] {
  const problems: Problem[] = [];
  const byPort = new Map<number, string>();
  for (const [name, number] of Object.entries(settings.ports)) {
    // Nothing listens there.
    if (name.endsWith("-application") && settings.application.image === "") continue;
    const other = byPort.get(number);
    if (other)
      problems.push({
        path: `${configNamespace}:ports.${name}`,
        value: String(number),
        reason: `is the port of ${other} too`,
        remedy: `Give one of the two another port: "pulumi config set --path 'ports.${name}' PORT".`,
      });
    byPort.set(number, name);
  }
  problems.push(...hostProblems(settings, configNamespace));
  problems.push(...memoryProblems(settings, configNamespace));
  const isSecret = source.isSecret?.(`${configNamespace}:application`) ?? false;
  problems.push(...applicationProblems(settings, configNamespace, isSecret));
  problems.push(
    ...ownCertificateProblems(settings, configNamespace, {
      address: gatewayAddressOf(settings),
      now: source.now ?? new Date(),
      keyIsHidden: source.secretsAreHidden === true,
      keyIsSecret: source.isSecret?.(`${configNamespace}:gatewayKey`) ?? true,
    }),
  );
  problems.push(...transitionProblems(settings));
  if (settings.model === "secondary" && settings.giveUpVolume.startsWith("shared-"))
    problems.push({
      path: `${configNamespace}:giveUpVolume`,
      value: JSON.stringify(settings.giveUpVolume),
      reason: "holds the only copy of the data, the model secondary has no other",
      remedy: 'Remove it with "pulumi config rm giveUpVolume".',
    });
  problems.push(...alertProblems(settings.alerts, configNamespace));
  problems.push(...credentialProblems(settings));
  if (settings.synchronous && settings.model === "secondary")
    problems.push({
      path: `${configNamespace}:synchronous`,
      value: "true",
      reason: "needs a replica that confirms the writes, and the model secondary has none",
      remedy:
        'Set it to false ("pulumi config set synchronous false"), or choose the model full or read-only.',
    });
  for (const [name, value] of Object.entries(settings.postgresParameters)) {
    if (managedParameters.has(name))
      problems.push({
        path: `${configNamespace}:postgresParameters.${name}`,
        reason: "is set by this project itself, replication and fencing depend on it",
        remedy: "Remove it.",
      });
    else {
      const problem = parameterProblem(name, parameterText(value));
      if (problem)
        problems.push({
          path: `${configNamespace}:postgresParameters.${name}`,
          value: JSON.stringify(value),
          ...problem,
        });
    }
  }
  return problems;
}

/** One generation, or two different ones while one follows the other. */
function credentialProblems({ credentials }: z.infer<typeof settingsSchema>): Problem[] {
  return Object.entries(credentials).flatMap(([kind, generations]) =>
    generations.length > 2 || new Set(generations).size < generations.length
      ? [
          {
            path: `${configNamespace}:credentials.${kind}`,
            value: JSON.stringify(generations),
            reason: "is neither one generation nor two different ones",
            remedy: `Let "npm run rotate -- ${kind}" count them.`,
          },
        ]
      : [],
  );
}

/** A transition needs an id: it makes the transition run once, and ties the overrides to it. */
function transitionProblems(settings: z.infer<typeof settingsSchema>): Problem[] {
  const problems: Problem[] = [];
  if (settings.transition === "none") return problems;
  if (settings.transitionId === "")
    problems.push({
      path: `${configNamespace}:transitionId`,
      reason: `is empty, but transition is ${settings.transition}`,
      remedy:
        'Name the incident or change: "pulumi config set transitionId CHG-1234". Another id runs it again.',
    });
  if (settings.model === "secondary")
    problems.push({
      path: `${configNamespace}:transition`,
      value: JSON.stringify(settings.transition),
      reason: "needs a read-only database, and the model secondary has none",
      remedy: 'Set it to none ("pulumi config set transition none"), or choose the model full or read-only.',
    });
  return problems;
}

function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value as DeepReadonly<T>;
}
