import {
  alertSecrets,
  type ChannelName,
  configuredChannels,
  type ReadonlyAlertSettings,
} from "../../core/alerts/settings.ts";
import { bounded } from "./bounded.ts";
import { type Channel, sendLimitMs } from "./channel.ts";
import { mailChannel } from "./mail.ts";
import { snmpChannel } from "./snmp.ts";
import { syslogChannel } from "./syslog.ts";
import { webhookChannel } from "./webhook.ts";

/**
 * The channels that are configured.
 *
 * @param limitMs an attempt that takes longer has failed
 */
export function createChannels(
  settings: ReadonlyAlertSettings,
  limitMs: number = sendLimitMs,
): readonly Channel[] {
  const { webhook, mail, syslog, snmp, caCertificate } = settings;
  const make: Record<ChannelName, () => Channel> = {
    webhook: () => webhookChannel(webhook.url, caCertificate),
    mail: () => mailChannel(mail, caCertificate),
    syslog: () => syslogChannel(syslog, caCertificate),
    snmp: () => snmpChannel(snmp),
  };
  return configuredChannels(settings).map((name) => bounded(make[name](), alertSecrets(settings), limitMs));
}
