export { databaseCauses } from "./database.ts";
export { lookOf } from "./look.ts";
export { type Attempt, type Loss, lossAfter } from "./loss.ts";
export { serverCauses } from "./server.ts";
export type * from "./types.ts";
