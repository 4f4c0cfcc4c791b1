import { type DatabaseNode, peersOf, type Topology } from "../topology.ts";
import { databaseNames, slotName } from "../vocabulary.ts";

/**
 * The SQL that makes the physical slots for the peers that this database feeds or may have to feed. Physical slots
 * are not replicated, so each node has its own. On the writable database a slot holds WAL from its first moment; on a
 * standby it is there but holds none (a slot that nobody uses would fill the disk). One left over from the time when the
 * node was the other thing is made anew; one that a writable database has lost stays, so that the loss is seen. That of a replica that another model had is dropped, once nobody uses it.
 */
export function renderSlotsSql(topology: Topology, database: DatabaseNode): string {
  const slots = peersOf(topology, database).map(({ slot }) => slot);
  return [
    "\\set ON_ERROR_STOP on",
    "\\set QUIET on",
    ...slots.flatMap(slotStatements),
    ...slotsOfOtherModels(topology, database).map(dropUnused),
    leftoverLogicalSlots,
    "",
  ].join("\n");
}

/**
 * A former primary still has the logical slots that it kept for failover; as a standby it gets them from the new
 * primary, and the old ones of the same name would stop that.
 */
const leftoverLogicalSlots =
  "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE pg_is_in_recovery() AND slot_type = 'logical' AND failover AND NOT synced AND NOT active;";

function slotsOfOtherModels(topology: Topology, database: DatabaseNode): string[] {
  const used = new Set([database.slot, ...peersOf(topology, database).map(({ slot }) => slot)]);
  return databaseNames.map(slotName).filter((slot) => !used.has(slot));
}

function dropUnused(slot: string): string {
  return `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${slot}' AND slot_type = 'physical' AND NOT active;`;
}

function slotStatements(slot: string): string[] {
  const exists = `SELECT FROM pg_replication_slots WHERE slot_name = '${slot}'`;
  return [
    `SELECT pg_drop_replication_slot('${slot}') WHERE EXISTS (${exists} AND NOT active AND CASE WHEN pg_is_in_recovery() THEN restart_lsn IS NOT NULL OR wal_status = 'lost' ELSE restart_lsn IS NULL AND wal_status IS DISTINCT FROM 'lost' END);`,
    `SELECT pg_create_physical_replication_slot('${slot}', NOT pg_is_in_recovery()) WHERE NOT EXISTS (${exists});`,
  ];
}
