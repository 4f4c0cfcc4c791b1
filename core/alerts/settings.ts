import { z } from "zod";
import type { Problem } from "../problems.ts";

/** What may be wrong, each a rule of its own. */
export const ruleNames = [
  "no-writable-database",
  "server-inactive",
  "replication-stopped",
  "lag",
  "slot-retention",
  "slot-lost",
  "degenerate",
  "phase",
  "transition-failed",
  "certificate",
  "disk",
  "backup-too-old",
] as const;
export type RuleName = (typeof ruleNames)[number];

/** Ways on which notices go out. */
export const channelNames = ["webhook", "mail", "syslog", "snmp"] as const;
export type ChannelName = (typeof channelNames)[number];

/** RFC 5424, 6.2.1. */
export const facilities = {
  user: 1,
  daemon: 3,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;
const facilityNames = Object.keys(facilities) as [keyof typeof facilities, ...(keyof typeof facilities)[]];

const port = z.number().int().min(1).max(65535);
const seconds = z.number().int().min(0).max(86_400);
const host = z.string().regex(/^[A-Za-z0-9.:_-]*$/, "is no name or address of a host");
/** Of people, with or without a name before it. */
const mailAddress = /^([^<>\r\n]*<)?[^\s<>@]+@[^\s<>@]+>?$/;

const webhookSchema = z.strictObject({
  url: z
    .string()
    // A preview that is read from outside has a mark in its place.
    .regex(/^(https?:\/\/\S+|\[secret\])?$/, "is no URL (https://…)")
    .default(""),
});

const mailSchema = z.strictObject({
  server: host.default(""),
  port: port.default(587),
  security: z.enum(["starttls", "tls", "none"]).default("starttls"),
  user: z.string().default(""),
  password: z.string().default(""),
  from: z
    .string()
    .refine((from) => from === "" || mailAddress.test(from), "is no mail address")
    .default(""),
  to: z.array(z.string().regex(mailAddress, "is no mail address")).default([]),
});

const syslogSchema = z.strictObject({
  address: host.default(""),
  port: port.default(514),
  protocol: z.enum(["udp", "tcp", "tls"]).default("udp"),
  facility: z.enum(facilityNames).default("local0"),
});

/** Ways to sign (RFC 3414, 7860) and to encrypt (RFC 3826; 256 bits in the two ways that are in use) of version 3. */
export const snmpAuthentications = ["sha", "sha224", "sha256", "sha384", "sha512"] as const;
export const snmpEncryptions = ["aes", "aes256b", "aes256r"] as const;
/** RFC 3414, 11.2: a shorter password is none. */
const shortestSnmpPassword = 8;

const snmpSchema = z.strictObject({
  address: host.default(""),
  port: port.default(162),
  community: z.string().min(1).default("public"),
  inform: z.boolean().default(false),
  version: z.enum(["v2c", "v3"]).default("v2c"),
  user: z.string().max(32).default(""),
  authentication: z.enum(snmpAuthentications).default("sha256"),
  authenticationPassword: z.string().default(""),
  encryption: z.enum(snmpEncryptions).default("aes"),
  encryptionPassword: z.string().default(""),
  enterprise: z
    .string()
    .regex(/^1(\.\d+){3,}$/, "is no object identifier (1.3.6.1.4.1.…)")
    .default("1.3.6.1.4.1.8072.9999.9999"),
});

/** When something counts as wrong, and who is told. Rendered into the file `alerts.json` of each server as it is. */
export const alertSettingsSchema = z.strictObject({
  delaySeconds: seconds
    .default(15)
    .meta({ description: "How long something has to be wrong before people are told" }),
  recoverySeconds: seconds
    .default(30)
    .meta({ description: "How long it has to be right again before they are told that it is over" }),
  lagSeconds: z
    .number()
    .int()
    .min(1)
    .default(60)
    .meta({ description: "A standby that is further behind is an alert" }),
  lagMegabytes: z
    .number()
    .int()
    .min(1)
    .default(64)
    .meta({ description: "The same in WAL that it has not replayed" }),
  slotMegabytes: z.number().int().min(1).default(512).meta({
    description: "A slot that holds back more WAL is an alert; at most half of slotWalKeepMegabytes",
  }),
  certificateDays: z
    .number()
    .int()
    .min(1)
    .default(30)
    .meta({ description: "How long before its end a certificate is an alert" }),
  diskPercent: z
    .number()
    .int()
    .min(1)
    .max(100)
    .default(85)
    .meta({ description: "A disk of a server's host that is fuller is an alert" }),
  silenced: z.array(z.enum(ruleNames)).default([]).meta({ description: "Rules that nobody is told of" }),
  webhook: webhookSchema
    .prefault({})
    .meta({ description: "Slack-compatible; set the url with --secret. Empty: none" }),
  mail: mailSchema.prefault({}).meta({ description: "SMTP; set the password with --secret. Empty: none" }),
  syslog: syslogSchema.prefault({}).meta({ description: "RFC 5424. Empty: none" }),
  snmp: snmpSchema.prefault({}).meta({
    description:
      "Traps or informs, version 2c; or informs, signed and encrypted, version 3. Set community and passwords with --secret. Empty: none",
  }),
  caCertificate: z.string().default("").meta({
    description: "PEM: an authority beside the well-known ones that receivers are verified against",
  }),
});
export type AlertSettings = z.output<typeof alertSettingsSchema>;

/** What holds where nothing is configured: nobody is told. */
export const defaultAlerts: AlertSettings = alertSettingsSchema.parse({});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
export type ReadonlyAlertSettings = DeepReadonly<AlertSettings>;

/** The channels on which people are told. */
export function configuredChannels(settings: ReadonlyAlertSettings): readonly ChannelName[] {
  const isUsed: Record<ChannelName, boolean> = {
    webhook: settings.webhook.url !== "",
    mail: settings.mail.server !== "",
    syslog: settings.syslog.address !== "",
    snmp: settings.snmp.address !== "",
  };
  return channelNames.filter((name) => isUsed[name]);
}

/** What the servers go by: a slot is named before PostgreSQL gives it up. */
export function effectiveAlerts(
  settings: ReadonlyAlertSettings,
  slotWalKeepMegabytes: number,
): ReadonlyAlertSettings {
  const most = Math.floor(slotWalKeepMegabytes / 2);
  return { ...settings, slotMegabytes: Math.min(settings.slotMegabytes, most) };
}

/** Whether the servers need not be told of the settings. */
export function isDefault(settings: ReadonlyAlertSettings): boolean {
  return JSON.stringify(alertSettingsSchema.parse(settings)) === JSON.stringify(defaultAlerts);
}

/** The secrets themselves: what is empty is none, and what everybody's receiver has by itself is known to all. */
export function alertSecrets({ webhook, mail, snmp }: ReadonlyAlertSettings): readonly string[] {
  const known = ["", defaultAlerts.snmp.community];
  const { community, authenticationPassword, encryptionPassword } = snmp;
  return [webhook.url, mail.password, community, authenticationPassword, encryptionPassword].filter(
    (secret) => !known.includes(secret),
  );
}

/** What of the stack's settings is a secret. */
const secretPaths = [
  "alerts.webhook.url",
  "alerts.mail.password",
  "alerts.snmp.community",
  "alerts.snmp.authenticationPassword",
  "alerts.snmp.encryptionPassword",
];

/** Whether the setting at a path (`alerts.webhook.url`) is a secret. */
export function isSecretSetting(path: string): boolean {
  return secretPaths.includes(path);
}

/** Whether what somebody has written at a path, right or wrong, could be a secret or contain one. */
export function mayHoldSecret(path: readonly PropertyKey[]): boolean {
  const at = path.map(String).join(".");
  return secretPaths.some((secret) => `${secret}.`.startsWith(`${at}.`) || at.startsWith(`${secret}.`));
}

/** Rules between the fields of a channel. */
export function alertProblems(settings: ReadonlyAlertSettings, namespace: string): readonly Problem[] {
  return [...mailProblems(settings, namespace), ...snmpProblems(settings, namespace)];
}

/** Version 3 is always signed and encrypted, and its user is known to nobody by itself. */
function snmpProblems({ snmp }: ReadonlyAlertSettings, namespace: string): readonly Problem[] {
  const at = (field: string) => `${namespace}:alerts.snmp.${field}`;
  const passwords = ["authenticationPassword", "encryptionPassword"] as const;
  if (snmp.version === "v2c") {
    if (snmp.user === "" && passwords.every((field) => snmp[field] === "")) return [];
    const remedy = "Set it with \"pulumi config set --path 'alerts.snmp.version' v3\", or remove them.";
    return [{ path: at("version"), reason: "is v2c, but user or passwords of v3 are set", remedy }];
  }
  const missing =
    snmp.user === ""
      ? [
          {
            path: at("user"),
            reason: "is empty, but the version is v3",
            remedy: "Set it with \"pulumi config set --path 'alerts.snmp.user' NAME\".",
          },
        ]
      : [];
  const short = passwords
    .filter((field) => snmp[field].length < shortestSnmpPassword)
    .map((field) => ({
      path: at(field),
      reason: `has less than ${shortestSnmpPassword} characters, and the version is v3`,
      remedy: `Set it with "pulumi config set --secret --path 'alerts.snmp.${field}'".`,
    }));
  return [...missing, ...short];
}

function mailProblems(settings: ReadonlyAlertSettings, namespace: string): readonly Problem[] {
  const { mail } = settings;
  const problems: Problem[] = [];
  const missing = (field: string, reason: string, value: string) =>
    problems.push({
      path: `${namespace}:alerts.mail.${field}`,
      reason,
      remedy: `Set it with "pulumi config set --path 'alerts.mail.${field}' ${value}".`,
    });
  if (mail.server !== "" && mail.from === "")
    missing("from", "is empty, but mail.server is set", "pg-continuity@example.com");
  if (mail.server !== "" && mail.to.length === 0)
    problems.push({
      path: `${namespace}:alerts.mail.to`,
      reason: "names nobody, but mail.server is set",
      remedy: `Name who is told: "pulumi config set --path 'alerts.mail.to[0]' ada@example.com".`,
    });
  if (mail.server === "" && (mail.from !== "" || mail.to.length > 0 || mail.user !== ""))
    missing("server", "is empty, but other fields of mail are set", "smtp.example.com");
  if ((mail.user === "") !== (mail.password === ""))
    problems.push({
      path: `${namespace}:alerts.mail.${mail.user === "" ? "user" : "password"}`,
      reason: `is empty, but mail.${mail.user === "" ? "password" : "user"} is set`,
      remedy:
        "Set both, or remove both. The password: \"pulumi config set --secret --path 'alerts.mail.password'\".",
    });
  return problems;
}
