import type * as pulumi from "@pulumi/pulumi";
import { Database, type DatabaseArgs } from "./database.ts";

/** The read-only server's own database: a streaming replica of the shared one (see StreamingReplication). */
export class ReadOnlyDatabase extends Database {
  constructor(name: string, args: DatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:ReadOnlyDatabase", name, args, opts);
    this.registerOutputs({});
  }
}
