/**
 * Where the era of synchronous replication is kept: a setting of the database postgres, and so in a catalogue that every
 * connection can read and that is replicated like everything else.
 */
export const eraParameter = "continuity.synchronous_era";
