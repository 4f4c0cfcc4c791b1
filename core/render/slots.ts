import { type DatabaseNode, peersOf, type Topology } from "../topology.ts";

/**
 * The SQL that makes the physical slots for the standbys this database may have to feed. Physical slots are not
 * replicated, so each writable database needs its own (facts: pg_basebackup and pg_rewind skip pg_replslot).
 */
export function renderSlotsSql(topology: Topology, database: DatabaseNode): string {
  const wanted = peersOf(topology, database).map(({ slot }) => slot);
  return [
    "\\set ON_ERROR_STOP on",
    "\\set QUIET on",
    ...wanted.map(
      (slot) =>
        `SELECT pg_create_physical_replication_slot('${slot}', true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '${slot}') \\g /dev/null`,
    ),
    "",
  ].join("\n");
}
