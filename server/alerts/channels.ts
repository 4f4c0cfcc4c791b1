import {
  type ChannelName,
  configuredChannels,
  type ReadonlyAlertSettings,
} from "../../core/alerts/settings.ts";
import type { Channel } from "./channel.ts";
import { mailChannel } from "./mail.ts";
import { snmpChannel } from "./snmp.ts";
import { syslogChannel } from "./syslog.ts";
import { webhookChannel } from "./webhook.ts";

/** The channels that are configured. */
export function createChannels(settings: ReadonlyAlertSettings): readonly Channel[] {
  const { webhook, mail, syslog, snmp, caCertificate } = settings;
  const make: Record<ChannelName, () => Channel> = {
    webhook: () => webhookChannel(webhook.url, caCertificate),
    mail: () => mailChannel(mail, caCertificate),
    syslog: () => syslogChannel(syslog, caCertificate),
    snmp: () => snmpChannel(snmp),
  };
  return configuredChannels(settings).map((name) => make[name]());
}
