import type * as pulumi from "@pulumi/pulumi";
import { ApplicationServer, type ApplicationServerArgs } from "./applicationServer.ts";

/** The read-only server: reads from its own replica, refuses writes; the acting primary once its database was promoted. */
export class ReadOnlyServer extends ApplicationServer {
  constructor(name: string, args: ApplicationServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:ReadOnlyServer", name, args, opts);
    this.registerOutputs({});
  }
}
