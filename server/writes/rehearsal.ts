import { insertStatement } from "../resources/store.ts";
import { writeStatements } from "./transaction.ts";

/**
 * Plans a write and does nothing, which a standby allows too: a connection that has run it has read what writes need of
 * the catalogue. A new connection's first write takes several times as long as the next one, and after a promotion
 * clients wait for it.
 */
export const rehearsal = [...writeStatements, insertStatement]
  .map((statement) => `explain (generic_plan) ${statement}`)
  .join("; ");
