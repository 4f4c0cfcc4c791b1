import { lookup } from "node:dns/promises";
import {
  AuthProtocols,
  createSession,
  createV3Session,
  ObjectType,
  PrivProtocols,
  SecurityLevel,
  type Session,
  Version2c,
} from "net-snmp";
import { trapObjects } from "../../core/alerts/notice.ts";
import type { ReadonlyAlertSettings } from "../../core/alerts/settings.ts";
import { type Channel, sendLimitMs } from "./channel.ts";

type SnmpSettings = ReadonlyAlertSettings["snmp"];

/**
 * Sends notices as traps, or as informs, which the receiver confirms. Always as informs in version 3: there the
 * receiver's clock counts, while of a trap it would be that of each server, which the receiver would have to be told of.
 */
export function snmpChannel(snmp: SnmpSettings): Channel {
  const { enterprise } = snmp;
  const isInform = snmp.inform || snmp.version === "v3";
  return {
    name: "snmp",
    send: async (notice) => {
      const { address, family } = await lookup(snmp.address);
      const session = sessionWith(snmp, address, family === 6 ? "udp6" : "udp4");
      const objects = trapObjects(notice).map(([object, value]) => ({
        oid: `${enterprise}.1.${object}.0`,
        type: ObjectType.OctetString,
        value,
      }));
      const type = `${enterprise}.0.${notice.kind === "recovered" ? 2 : 1}`;
      try {
        await new Promise<void>((resolve, reject) => {
          session.on("error", reject);
          const done = (error: Error | null): void => (error === null ? resolve() : reject(error));
          if (isInform) session.inform(type, objects, done);
          else session.trap(type, objects, done);
        });
      } finally {
        session.close();
      }
    },
  };
}

function sessionWith(snmp: SnmpSettings, address: string, transport: "udp4" | "udp6"): Session {
  // Its engine is asked for first, at the same port.
  const { port } = snmp;
  const options = { port, trapPort: port, transport, timeout: sendLimitMs / 4, retries: 1 };
  if (snmp.version === "v2c")
    return createSession(address, snmp.community, { ...options, version: Version2c });
  const user = {
    name: snmp.user,
    level: SecurityLevel.authPriv,
    authProtocol: AuthProtocols[snmp.authentication],
    authKey: snmp.authenticationPassword,
    privProtocol: PrivProtocols[snmp.encryption],
    privKey: snmp.encryptionPassword,
  };
  return createV3Session(address, user, options);
}
