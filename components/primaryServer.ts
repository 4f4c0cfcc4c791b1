import type * as pulumi from "@pulumi/pulumi";
import { ApplicationServer, type ApplicationServerArgs } from "./applicationServer.ts";

/** The primary server: reads and writes on the shared database; the first that the gateway asks. */
export class PrimaryServer extends ApplicationServer {
  constructor(name: string, args: ApplicationServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:PrimaryServer", name, args, opts);
    this.registerOutputs({});
  }
}
