import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { BackupNode } from "../core/topology.ts";
import { createContainer, createStateVolume, createVolume } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { configureNode } from "./nodeConfiguration.ts";

/** What the component that makes backups is made from. */
export interface BackupArgs {
  readonly context: DeploymentContext;
  readonly backup: BackupNode;
}

/**
 * The container that makes backups (docs/backups.md): a volume that they lie in, a client of whichever database is the
 * writable one. Its volumes leave the stack with it and stay on their host, where it finds them again.
 */
export class Backup extends pulumi.ComponentResource {
  readonly container: docker.Container;

  constructor(name: string, args: BackupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:Backup", name, {}, opts);
    const { context, backup } = args;
    const data = createVolume(context, backup, backup.dataVolume, "data", this);
    const state = createStateVolume(context, backup, this);
    this.container = createContainer(
      context,
      backup,
      {
        ports: [],
        volumes: [
          { volume: data, path: "/var/lib/postgresql" },
          { volume: state, path: "/var/lib/pg-continuity" },
        ],
        tmpfs: {},
        stopSignal: "SIGTERM",
        graceSeconds: 15,
        mustRun: true,
        after: [],
        entrypoint: "/usr/local/bin/backup-entrypoint",
      },
      this,
    );
    configureNode(context, backup, this.container, this);
    this.registerOutputs({});
  }
}
