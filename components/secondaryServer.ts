import type * as pulumi from "@pulumi/pulumi";
import { ApplicationServer, type ApplicationServerArgs } from "./applicationServer.ts";

/** The secondary server: reads and writes on the shared database; takes over when the primary server fails. */
export class SecondaryServer extends ApplicationServer {
  constructor(name: string, args: ApplicationServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:SecondaryServer", name, args, opts);
    this.registerOutputs({});
  }
}
