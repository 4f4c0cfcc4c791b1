import type { Incident, NoticeKind } from "./ledger.ts";
import type { Severity } from "./rules.ts";

/** What people are told, on whichever channel. */
export interface Notice {
  readonly stack: string;
  /** The server that tells it. */
  readonly sender: string;
  readonly kind: NoticeKind | "test";
  readonly key: string;
  readonly number: number;
  readonly rule: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
  readonly firedAt: string;
  readonly recoveredAt: string | null;
}

export function noticeOf(
  incident: Incident,
  kind: NoticeKind,
  from: Pick<Notice, "stack" | "sender">,
): Notice {
  const { told: _, ...rest } = incident;
  return { ...rest, ...from, kind };
}

/** A notice that says that notices arrive. */
export function testNotice(from: Pick<Notice, "stack" | "sender">, at: string): Notice {
  return {
    ...from,
    kind: "test",
    key: "test",
    number: 1,
    rule: "test",
    severity: "info",
    subject: "alerts",
    problem: "arrive here: this is a test, nothing has happened",
    remedy: "Nothing is to be done.",
    firedAt: at,
    recoveredAt: null,
  };
}

const words = { fired: "", recovered: "RECOVERED: ", test: "TEST: " } as const;

/** A datagram takes no more than 64 KiB, and many a receiver less: what a tool has said at length is in its own record. */
const longestTitle = 1000;

/** One line: `[dev] WARNING secondary server is down (no answer within 1 s)`. */
export function titleOf({ stack, kind, severity, subject, problem }: Notice): string {
  const grade = kind === "fired" ? `${severity.toUpperCase()} ` : "";
  return shortened(oneLine(`[${stack}] ${words[kind]}${grade}${subject} ${problem}`), longestTitle);
}

/** Facts below the title, in order. */
export function factsOf(notice: Notice): readonly (readonly [name: string, value: string])[] {
  const { kind, remedy, rule, severity, firedAt, recoveredAt, sender } = notice;
  return [
    ...(kind === "recovered" ? [] : [["What helps", remedy] as const]),
    ["Fired at", firedAt],
    ...(recoveredAt === null ? [] : [["Over at", recoveredAt] as const]),
    ["Rule", `${rule} (${severity})`],
    ["Told by", `${sender} server`],
  ];
}

/** The text of a mail. */
export function textOf(notice: Notice): string {
  const facts = factsOf(notice).map(([name, value]) => `${name}: ${value}`);
  return `${titleOf(notice)}\n\n${facts.join("\n")}\n`;
}

const colours = { critical: "#b3261e", warning: "#b26a00", info: "#3367d6" } as const;
const recoveredColour = "#1e7d32";

/** What Slack, Mattermost, Rocket.Chat and others take; programs find the facts among the fields. */
export function webhookBody(notice: Notice): Readonly<Record<string, unknown>> {
  const fields = factsOf(notice).map(([title, value]) => ({ title, value, short: value.length < 40 }));
  return {
    text: titleOf(notice),
    attachments: [
      {
        color: notice.kind === "recovered" ? recoveredColour : colours[notice.severity],
        fallback: titleOf(notice),
        fields,
        footer: `pg-continuity ${notice.key} #${notice.number} ${notice.kind}`,
        ts: Math.floor(Date.parse(notice.recoveredAt ?? notice.firedAt) / 1000),
      },
    ],
  };
}

/** RFC 5424, 6.2.1: what is over is a notice. */
const levels = { critical: 2, warning: 4, info: 6 } as const;
const recoveredLevel = 5;

/** A message of syslog after RFC 5424. The private number of its structured data is the RFC's own for examples. */
export function syslogMessage(notice: Notice, facility: number, at: string): string {
  const level = notice.kind === "recovered" ? recoveredLevel : levels[notice.severity];
  const data = Object.entries({
    stack: notice.stack,
    key: notice.key,
    number: String(notice.number),
    kind: notice.kind,
    severity: notice.severity,
    firedAt: notice.firedAt,
    ...(notice.recoveredAt === null ? {} : { recoveredAt: notice.recoveredAt }),
  }).map(([name, value]) => `${name}="${value.replace(/[\\\]"]/g, "\\$&")}"`);
  const sender = printable(`${notice.stack}-${notice.sender}`);
  const head = `<${facility * 8 + level}>1 ${at} ${sender} pg-continuity - ${printable(notice.rule)}`;
  // The mark says that UTF-8 follows.
  return `${head} [alert@32473 ${data.join(" ")}] \uFEFF${titleOf(notice)}`;
}

/** Objects of a trap below the enterprise's own identifier; docs/alerts.md has the list. */
export function trapObjects(notice: Notice): readonly (readonly [object: number, value: string])[] {
  return [
    [1, notice.stack],
    [2, notice.key],
    [3, notice.kind],
    [4, notice.severity],
    [5, titleOf(notice)],
    [6, notice.remedy],
    [7, notice.firedAt],
    [8, notice.recoveredAt ?? ""],
    [9, notice.sender],
  ];
}

function printable(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, "_").slice(0, 32);
}

/** The beginning of a text that is longer than so many characters. */
export function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
