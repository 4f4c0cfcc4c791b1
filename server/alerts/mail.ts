import { createTransport } from "nodemailer";
import { type Notice, textOf, titleOf } from "../../core/alerts/notice.ts";
import type { ReadonlyAlertSettings } from "../../core/alerts/settings.ts";
import { type Channel, sendLimitMs, trusted } from "./channel.ts";

/** Sends notices as mails. */
export function mailChannel(mail: ReadonlyAlertSettings["mail"], caCertificate: string): Channel {
  const ca = trusted(caCertificate);
  const transport = createTransport({
    host: mail.server,
    port: mail.port,
    secure: mail.security === "tls",
    requireTLS: mail.security === "starttls",
    ignoreTLS: mail.security === "none",
    ...(mail.user === "" ? {} : { auth: { user: mail.user, pass: mail.password } }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    connectionTimeout: sendLimitMs,
    greetingTimeout: sendLimitMs,
    socketTimeout: sendLimitMs,
  });
  return {
    name: "mail",
    send: async (notice) => {
      await transport.sendMail({
        from: mail.from,
        to: [...mail.to],
        subject: titleOf(notice),
        text: textOf(notice),
        messageId: messageId(notice),
        headers: { "Auto-Submitted": "auto-generated" },
      });
    },
  };
}

/** The same notice has the same: a mail that comes twice all the same can be told. */
function messageId({ stack, key, number, kind, firedAt }: Notice): string {
  const local = [stack, key, number, kind, Date.parse(firedAt)].join(".").replace(/[^A-Za-z0-9._-]/g, "-");
  return `<${local}@pg-continuity.invalid>`;
}
