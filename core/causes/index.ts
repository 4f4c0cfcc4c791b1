export { databaseCauses } from "./database.ts";
export { lookOf } from "./look.ts";
export { serverCauses } from "./server.ts";
export type * from "./types.ts";
