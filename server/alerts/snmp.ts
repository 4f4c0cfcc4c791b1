import { lookup } from "node:dns/promises";
import { createSession, ObjectType, Version2c } from "net-snmp";
import { trapObjects } from "../../core/alerts/notice.ts";
import type { ReadonlyAlertSettings } from "../../core/alerts/settings.ts";
import { type Channel, sendLimitMs } from "./channel.ts";

/** Sends notices as traps, or as informs, which the receiver confirms (version 2c). */
export function snmpChannel(snmp: ReadonlyAlertSettings["snmp"]): Channel {
  const { port, community, inform, enterprise } = snmp;
  return {
    name: "snmp",
    send: async (notice) => {
      const { address, family } = await lookup(snmp.address);
      const session = createSession(address, community, {
        version: Version2c,
        trapPort: port,
        transport: family === 6 ? "udp6" : "udp4",
        timeout: sendLimitMs / 4,
        retries: 1,
      });
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
          if (inform) session.inform(type, objects, done);
          else session.trap(type, objects, done);
        });
      } finally {
        session.close();
      }
    },
  };
}
