import { z } from "zod";
import { databaseNames, models, serverNames } from "./vocabulary.ts";

const port = z.number().int().min(1).max(65535);

/**
 * The file that an application server reads at start (`server.json` in its configuration folder).
 * Rendered by `core/render/server.ts`, validated by `server/`. Paths are absolute inside the container.
 * No secret stands in it: secrets are in the files it names (mode 0600).
 */
export const serverConfigSchema = z.strictObject({
  stack: z.string().min(1),
  server: z.strictObject({
    id: z.enum(serverNames),
    displayName: z.string().min(1),
  }),
  listen: z.strictObject({
    address: z.string().default("0.0.0.0"),
    port: z.number().int().min(1).max(65535),
    certificateFile: z.string(),
    keyFile: z.string(),
    /** Addresses or networks (CIDR) of gateways whose `X-Forwarded-For` is believed. */
    trustedProxies: z.array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])).default([]),
  }),
  /** Every database of the model; which one is writable is found out at run time, never configured. */
  databases: z
    .array(
      z.strictObject({
        name: z.enum(databaseNames),
        address: z.string().min(1),
        port: z.number().int().min(1).max(65535),
        /** The name that the database's certificate is verified against. */
        certificateName: z.string().min(1),
      }),
    )
    .min(1),
  /** What was declared, for the High availability page: who else is there, and what a verdict needs. */
  deployment: z
    .strictObject({
      model: z.enum(models),
      synchronous: z.boolean(),
      databases: z.array(
        z.strictObject({ name: z.enum(databaseNames), slot: z.string(), containerName: z.string() }),
      ),
      /** All servers, this one too; how this one reaches each. */
      servers: z.array(
        z.strictObject({
          name: z.enum(serverNames),
          displayName: z.string().min(1),
          containerName: z.string(),
          address: z.string().min(1),
          port,
          certificateName: z.string().min(1),
        }),
      ),
      gateway: z
        .strictObject({
          containerName: z.string(),
          address: z.string().min(1),
          port,
          /** Of the certificate of one's own that it shows to clients; null where it shows the stack's. */
          ownCertificateEndsAt: z.iso.datetime().nullable().default(null),
        })
        .nullable(),
      /** One's own application beside each server, if there is one. */
      applications: z
        .array(
          z.strictObject({
            name: z.enum(serverNames),
            containerName: z.string(),
            address: z.string().min(1),
            port,
            protocol: z.enum(["http", "https"]),
            /** What is asked whether it is well; empty: a TCP connection is enough. */
            healthPath: z.string(),
            certificateName: z.string().min(1),
          }),
        )
        .default([]),
    })
    .optional(),
  postgres: z.strictObject({
    database: z.string().min(1),
    caFile: z.string(),
    /** Does the work: no ownership, no DDL. */
    application: z.strictObject({ user: z.string(), passwordFile: z.string() }),
    /** Owns the schema: runs migrations on a read/write server, nothing else. */
    migration: z.strictObject({ user: z.string(), passwordFile: z.string() }),
    poolSize: z.number().int().min(1).max(200).default(20),
    connectTimeoutSeconds: z.number().positive().default(1),
    statementTimeoutSeconds: z.number().positive().default(15),
  }),
  /**
   * 32 bytes, base64: AES-256-GCM. Lies outside the data and outside the database. It may hold several keys, one a
   * line: the first seals, the others only open (a key that is being replaced, or the one that will follow).
   */
  encryptionKeyFile: z.string(),
  /** SHA-256 of the administrator's token, hex. */
  adminTokenHashFile: z.string(),
  /** A volume of the server's own: the highest timeline it has seen, audit events that wait for a database. */
  stateDirectory: z.string(),
  /** So much of the state directory may audit events take; then nothing is revealed any more. */
  auditSpoolMegabytes: z.number().int().min(1).max(100_000).default(64),
  /** Audit events are kept so long. */
  auditRetentionDays: z.number().int().min(30).max(36_500).default(400),
  /** When people are told of something, and how (`core/alerts/settings.ts`); it may hold secrets. */
  alertsFile: z.string().optional(),
  /** When a backup is asked for, and how old the newest good one may be; none are made without. */
  backups: z
    .strictObject({ schedule: z.string().min(1), alertAfterHours: z.number().int().min(1) })
    .optional(),
  /** How long a request waits for a writable database before it is answered 503. */
  writeHoldSeconds: z.number().min(0).default(5),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
});

export type ServerConfig = z.infer<typeof serverConfigSchema>;
/** What the renderer writes: defaults may be left out. */
export type ServerConfigInput = z.input<typeof serverConfigSchema>;
