import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { syslogMessage } from "../../core/alerts/notice.ts";
import { facilities, type ReadonlyAlertSettings } from "../../core/alerts/settings.ts";
import { type Channel, sendLimitMs, trusted } from "./channel.ts";

/** Sends notices as messages of syslog (RFC 5424): one datagram each (RFC 5426), or framed over TCP (RFC 6587) or TLS (RFC 5425). */
export function syslogChannel(syslog: ReadonlyAlertSettings["syslog"], caCertificate: string): Channel {
  const { address, port, protocol, facility } = syslog;
  return {
    name: "syslog",
    send: async (notice) => {
      const message = Buffer.from(syslogMessage(notice, facilities[facility], new Date().toISOString()));
      if (protocol === "udp") return await sendDatagram(address, port, message);
      const ca = trusted(caCertificate);
      const socket =
        protocol === "tcp"
          ? connectTcp({ host: address, port })
          : connectTls({
              host: address,
              port,
              ...(isIP(address) === 0 ? { servername: address } : {}),
              ...(ca === undefined ? {} : { ca }),
            });
      const frame = Buffer.concat([Buffer.from(`${message.length} `), message]);
      await sendFrame(socket, protocol === "tcp" ? "connect" : "secureConnect", frame);
    },
  };
}

async function sendDatagram(host: string, port: number, message: Buffer): Promise<void> {
  const { address, family } = await lookup(host);
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      // Connected, so that a closed port is told where the network tells it.
      // The types leave out what it is called with where there is no way there.
      socket.connect(port, address, ((error?: Error) => {
        if (error !== undefined) return reject(error);
        socket.send(message, (failure) => (failure ? reject(failure) : setTimeout(resolve, 100)));
      }) as () => void);
    });
  } finally {
    socket.close();
  }
}

/** Resolves once the receiver's side has the frame and has closed, or has kept quiet for a moment: syslog has no answer. */
function sendFrame(socket: Socket, ready: "connect" | "secureConnect", frame: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: Error): void => {
      clearTimeout(limit);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const limit = setTimeout(
      () => end(new Error(`no connection within ${sendLimitMs / 1000} s`)),
      sendLimitMs,
    );
    socket.once("error", end);
    socket.once(ready, () => {
      socket.end(frame, () => {
        socket.once("close", () => end());
        socket.resume();
        setTimeout(() => end(), 1000).unref();
      });
    });
  });
}
