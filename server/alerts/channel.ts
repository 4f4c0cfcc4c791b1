import { rootCertificates } from "node:tls";
import type { Notice } from "../../core/alerts/notice.ts";
import type { ChannelName } from "../../core/alerts/settings.ts";

/** A way on which people are told. */
export interface Channel {
  readonly name: ChannelName;
  /**
   * Sends one notice, once. Resolves when the receiver has taken it, as far as its protocol tells.
   *
   * @throws Error saying what the receiver said or did, without any secret
   */
  readonly send: (notice: Notice) => Promise<void>;
}

/** An attempt that takes longer has failed. */
export const sendLimitMs = 10_000;

/** Whom a receiver's certificate may be signed by: the well-known authorities, and one's own; undefined for the former alone. */
export function trusted(caCertificate: string): string[] | undefined {
  return caCertificate === "" ? undefined : [...rootCertificates, caCertificate];
}
