import { lookup as systemLookup } from "node:dns";
import { type LookupFunction, Socket } from "node:net";
import { checkServerIdentity } from "node:tls";
import pg, { type ClientConfig } from "pg";
import { errorCode } from "../../core/connectionFailure.ts";
import type { ServerConfig } from "../../core/serverConfig.ts";
import { invalidPassword } from "./refusals.ts";

export type DatabaseTarget = ServerConfig["databases"][number];

/** Everything that is needed to open a connection to one database as one role. */
export interface ConnectionSettings {
  readonly target: DatabaseTarget;
  readonly database: string;
  readonly user: string;
  /** One of them is the right one; in the order in which they are tried. */
  readonly passwords: readonly string[];
  /** PEM. */
  readonly ca: string;
  readonly connectTimeoutSeconds: number;
  readonly statementTimeoutSeconds: number;
  readonly applicationName: string;
}

/**
 * The driver's options for these settings: TLS verified against the target's certificate name,
 * every wait bounded.
 *
 * @param sockets receives each socket for as long as it lives, so that all of them can be cut at once.
 * @param taken called when the host takes a connection, whatever comes of it.
 */
export function clientOptions(
  settings: ConnectionSettings,
  sockets: Set<Socket>,
  taken: () => void = () => undefined,
): ClientConfig {
  return {
    host: settings.target.address,
    port: settings.target.port,
    database: settings.database,
    user: settings.user,
    password: passwordFor(settings, sockets),
    application_name: settings.applicationName,
    connectionTimeoutMillis: settings.connectTimeoutSeconds * 1000,
    statement_timeout: settings.statementTimeoutSeconds * 1000,
    idle_in_transaction_session_timeout: settings.statementTimeoutSeconds * 1000,
    lock_timeout: settings.statementTimeoutSeconds * 1000,
    query_timeout: settings.statementTimeoutSeconds * 1000 + 1000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    ssl: {
      ca: settings.ca,
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
      // The driver overwrites `servername` with the host it connects to, so the name is checked here.
      checkServerIdentity: (_host, certificate) =>
        checkServerIdentity(settings.target.certificateName, certificate),
    },
    stream: () => trackedSocket(sockets).once("connect", taken),
  };
}

/** The one password there is; of several the one that is right at that moment, found out with each new connection. */
function passwordFor(settings: ConnectionSettings, sockets: Set<Socket>): ClientConfig["password"] {
  const [first = "", ...others] = settings.passwords;
  if (others.length === 0) return first;
  return async () => {
    for (const password of settings.passwords) {
      if (await isRight({ ...settings, passwords: [password] }, sockets)) return password;
    }
    return first;
  };
}

/** Whether the database accepts the one password. Any other failure is left to the connection that needs it. */
async function isRight(settings: ConnectionSettings, sockets: Set<Socket>): Promise<boolean> {
  const client = new pg.Client(clientOptions(settings, sockets));
  // A connection that breaks after it was accepted has told what was asked.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch (error) {
    return errorCode(error) !== invalidPassword;
  }
}

function trackedSocket(sockets: Set<Socket>): Socket {
  const socket = new Socket();
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
  const connect = socket.connect.bind(socket) as (options: object) => Socket;
  socket.connect = ((port: number, host: string) =>
    connect({ port, host, lookup: sharedLookup })) as typeof socket.connect;
  return socket;
}

const pending = new Map<string, Promise<{ address: string; family: number }[]>>();

/**
 * Looks a host name up, at most once at a time per name. The name of a dead host can take many
 * seconds to fail and holds one of Node's four worker threads meanwhile; without this, repeated
 * attempts would take all of them and file access would stall with them.
 */
export const sharedLookup: LookupFunction = (hostname, options, callback) => {
  let request = pending.get(hostname);
  if (request === undefined) {
    request = new Promise<{ address: string; family: number }[]>((resolve, reject) => {
      systemLookup(hostname, { all: true }, (error, addresses) => {
        if (error === null) resolve(addresses);
        else reject(error);
      });
    }).finally(() => pending.delete(hostname));
    pending.set(hostname, request);
  }
  request.then(
    (addresses) => {
      const first = addresses[0];
      if (options.all === true) callback(null, addresses);
      else if (first !== undefined) callback(null, first.address, first.family);
      else callback(Object.assign(new Error(`${hostname}: no address`), { code: "ENOTFOUND" }), "", 0);
    },
    (error: NodeJS.ErrnoException) => callback(error, "", 0),
  );
};
