import { z } from "zod";
import { memoryBytes } from "./parameterCatalogue.ts";
import { effectiveParameters } from "./postgresParameters.ts";
import type { Problem } from "./problems.ts";

/** What a container of each kind needs at least, in megabytes. */
const minimumMegabytes = { database: 256, server: 128, gateway: 64, application: 16 } as const;

/** How much of a database's memory its shared buffers may take: the rest is for connections, sorting and files. */
const sharedBuffersPart = 0.75;

/**
 * The databases' part of the processors, where those are short, by the engine's measure: any other container has 1024. In a
 * failover clients that wait are woken all at once, and wait for what a database does first.
 */
const databaseCpuShares = 4096;

const cpuSharesSchema = z.number().int().min(2).max(262144);

function limitsSchema(kind: keyof typeof minimumMegabytes) {
  return z
    .strictObject({
      memoryMegabytes: z.number().int().min(minimumMegabytes[kind]).optional(),
      cpuShares:
        kind === "database" ? cpuSharesSchema.default(databaseCpuShares) : cpuSharesSchema.optional(),
      cpus: z.number().min(0.1).max(1024).optional(),
    })
    .prefault({});
}

/** Limits of the containers, by kind of node; what is not given is not limited. */
export const resourcesSchema = z
  .strictObject({
    database: limitsSchema("database"),
    server: limitsSchema("server"),
    gateway: limitsSchema("gateway"),
    /** One's own application beside each server. */
    application: limitsSchema("application"),
  })
  .prefault({});

/** The limits of one container. */
export interface ResourceLimits {
  readonly memoryMegabytes?: number | undefined;
  readonly cpuShares?: number | undefined;
  readonly cpus?: number | undefined;
}

/**
 * Whether a database's shared buffers fit into its memory: they cannot be given back, and a container that needs more
 * than its limit is killed.
 *
 * @param namespace the first part of every path
 */
export function memoryProblems(
  settings: {
    readonly resources: { readonly database: ResourceLimits };
    readonly postgresParameters: Readonly<Record<string, string | number | boolean>>;
    readonly slotWalKeepMegabytes: number;
  },
  namespace: string,
): Problem[] {
  const limit = settings.resources.database.memoryMegabytes;
  const buffers = megabytesOf(effectiveParameters(settings).shared_buffers ?? "");
  if (limit === undefined || buffers === undefined || fits(buffers, limit)) return [];
  return [
    {
      path: `${namespace}:resources.database.memoryMegabytes`,
      value: String(limit),
      reason: `is too little for shared_buffers of ${buffers} MB, which may take three quarters of it`,
      remedy: `Allow at least ${Math.ceil(buffers / sharedBuffersPart)} MB, or lower shared_buffers: "pulumi config set --path 'postgresParameters.shared_buffers' ${Math.floor(limit * sharedBuffersPart)}MB".`,
    },
  ];
}

/** Whether shared buffers fit into a database's memory limit, both in megabytes. */
export function fits(buffersMegabytes: number, limitMegabytes: number): boolean {
  return buffersMegabytes <= limitMegabytes * sharedBuffersPart;
}

/** Shared buffers as PostgreSQL writes them (`128MB`, `16384`) in megabytes; undefined where that is no value. */
export function megabytesOf(sharedBuffers: string): number | undefined {
  const bytes = memoryBytes("shared_buffers", sharedBuffers);
  return bytes === undefined ? undefined : bytes / 1024 ** 2;
}

/**
 * Limits as the Docker provider takes them. Without swap: a database that swaps is slower than one that is refused memory.
 *
 * `memory` and `cpuShares` are applied to a running container, `cpus` replaces it. The engine takes 0 for "as it is", so
 * that a limit cannot be taken away from a running container: which ones there are is part of its label, and replaces it.
 */
export function containerLimits({ memoryMegabytes, cpuShares, cpus }: ResourceLimits): {
  readonly inputs: { memory?: number; memorySwap?: number; cpuShares?: number; cpus?: string };
  readonly label: string | undefined;
} {
  const inputs = {
    ...(memoryMegabytes === undefined ? {} : { memory: memoryMegabytes, memorySwap: memoryMegabytes }),
    ...(cpuShares === undefined ? {} : { cpuShares }),
    ...(cpus === undefined ? {} : { cpus: String(cpus) }),
  };
  const limited = ["memory", "cpuShares"].filter((name) => name in inputs);
  return { inputs, label: limited.length === 0 ? undefined : limited.join(" ") };
}
