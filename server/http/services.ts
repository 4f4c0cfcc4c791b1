import type { ServerConfig } from "../../core/serverConfig.ts";
import type { Directory } from "../accounts/directory.ts";
import type { Generator } from "../accounts/generated.ts";
import type { Sessions } from "../accounts/sessions.ts";
import type { HostFacts } from "../alerts/host.ts";
import type { AlertWatch } from "../alerts/watch.ts";
import type { AuditTrail } from "../audit/trail.ts";
import type { Cipher } from "../crypto/cipher.ts";
import type { Cluster } from "../databases/cluster.ts";
import type { Reader } from "../databases/reader.ts";
import type { Witness } from "../databases/witness.ts";
import type { Health } from "../health.ts";
import type { Logger } from "../log.ts";
import type { Monitor } from "../overview/monitor.ts";
import type { ServerNames } from "../servers/names.ts";
import type { RequestHasher } from "../writes/idempotency.ts";
import type { Writer } from "../writes/writer.ts";

/** What the routes need. Read anew for each request, because a reload replaces parts of it. */
export interface Services {
  readonly config: ServerConfig;
  readonly log: Logger;
  readonly cluster: Cluster;
  readonly witness: Witness;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly cipher: Cipher;
  readonly hasher: RequestHasher;
  readonly sessions: Sessions;
  readonly generator: Generator;
  readonly gatewayTokens: readonly string[];
  readonly directory: Directory;
  readonly trail: AuditTrail;
  /** SHA-256 of the administrator's token. */
  readonly adminTokenHashes: readonly Buffer[];
  /** True once the schema is there and the key is known to be the right one. */
  readonly ready: () => boolean;
  /** Waits for `ready`, as long as requests are held; false when it is not by then. */
  readonly readySoon: () => Promise<boolean>;
  /** The migrations found in the database. */
  readonly schema: () => readonly string[];
  /** What this server sees of the whole deployment. */
  readonly monitor: Monitor;
  readonly alerts: AlertWatch;
  /** What this server sees of where it runs. */
  readonly host: () => HostFacts;
  readonly names: ServerNames;
  /** When this process began; milliseconds since the epoch. */
  readonly startedAt: number;
  /** Everything that this server must never show. */
  readonly secrets: () => readonly string[];
  /** The last lines of its log. */
  readonly recentLog: () => string;
  readonly health: () => Health & { readonly since: number };
}
