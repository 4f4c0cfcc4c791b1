import { actions } from "./change.ts";
import type { Interruption } from "./interruptions.ts";
import type { ImpactReport, ReportedChange } from "./report.ts";

/** The first line of a comment, by which that of an earlier run is found again. */
export const commentMarker = (stack: string) => `<!-- pg-continuity preview of ${stack} -->`;

/** The report for a person at a terminal. */
export function renderReport(report: ImpactReport): string {
  const { settings, interruptions, data, transition, refused, errors, warnings, drift } = report;
  const lines = [heading(report), ...report.reasons.map((reason) => `  ${reason}`)];
  const section = (title: string, entries: readonly string[]) => {
    if (entries.length > 0) lines.push("", title, ...entries.map((entry) => indented(entry)));
  };
  section("refused", refused);
  section("errors", errors);
  section("settings", settings.map(settingText));
  section(
    "changes",
    groupsOf(report).map(({ action, kind, names, effect }) => `${action}: ${kind} ${names}: ${effect}`),
  );
  section("one at a time", orderLines(report));
  if (report.changes.length > 0)
    section("users", [
      `writes ${interruptionText(interruptions.writes)}`,
      `reads ${interruptionText(interruptions.reads)}`,
      `data: ${data.length === 0 ? "nothing happens to it" : data.join("; ")}`,
    ]);
  section("transition", transition === null ? [] : [transition]);
  section("warnings", warnings);
  section(
    "not as declared now",
    drift.map(({ subject, problem, remedy }) => `${subject}: ${problem}. ${remedy}`),
  );
  return lines.join("\n");
}

/** The report for a comment on a pull request. */
export function renderMarkdown(report: ImpactReport): string {
  const { interruptions, settings, data, transition, refused, errors, warnings, drift } = report;
  const parts = [
    `${commentMarker(report.stack)}\n## ${heading(report)}`,
    list(report.reasons),
    titled("Refused", refused.map(code)),
    titled("Errors", errors.map(code)),
  ];
  if (report.changes.length > 0)
    parts.push(
      table(
        ["", ""],
        [
          ["writes", interruptionText(interruptions.writes)],
          ["reads", interruptionText(interruptions.reads)],
          ["data", data.length === 0 ? "nothing happens to it" : data.join("<br>")],
        ],
      ),
      table(
        ["action", "what", "effect"],
        groupsOf(report).map(({ action, kind, names, effect }) => [action, `${kind} ${names}`, effect]),
      ),
    );
  if (report.order.length > 0) parts.push(`### One at a time\n\n${orderLines(report).join("\n")}`);
  if (settings.length > 0)
    parts.push(
      table(
        ["setting", "now", "then"],
        settings.map(({ key, before, after }) => [key, `\`${before}\``, `\`${after}\``]),
      ),
    );
  if (transition !== null) parts.push(`### Transition\n\n${code(transition)}`);
  parts.push(titled("Warnings", warnings.map(code)));
  if (drift.length > 0)
    parts.push(
      `### Not as declared now\n\n${list(drift.map(({ subject, problem, remedy }) => `**${subject}**: ${problem}. ${remedy}`))}`,
    );
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

const verdictTexts: Readonly<Record<ImpactReport["verdict"], string>> = {
  "no change": "no change",
  changes: "changes",
  refused: "REFUSED because it would be dangerous",
  failed: "no preview possible",
};

function heading({ stack, verdict, risk, drift }: ImpactReport): string {
  const drifted = drift.length > 0 ? ", not as declared now" : "";
  return verdict === "changes" || verdict === "refused"
    ? `${stack}: ${verdictTexts[verdict]}, risk ${risk}${drifted}`
    : `${stack}: ${verdictTexts[verdict]}${drifted}`;
}

/** Half a sentence: `go on`, `stop for about 2 s (gateway is away for a moment)`. */
export function interruptionText({ stops, seconds, because }: Interruption): string {
  if (!stops) return "go on";
  const length = seconds === null ? "until somebody brings it back" : `for about ${seconds} s`;
  return `stop ${length} (${because.join(", ")})`;
}

/** `2. shared-database, once read-only-database streams again: writes wait in the servers` */
function orderLines({ order }: ImpactReport): readonly string[] {
  return order.map(
    ({ node, once, waits }, index) =>
      `${index + 1}. ${node}${once === null ? "" : `, once ${once}`}: ${waits}`,
  );
}

/** Changes with the same effect, together: a first deployment has dozens. */
function groupsOf({ changes }: ImpactReport): readonly (Omit<ReportedChange, "name"> & { names: string })[] {
  const groups = new Map<string, { change: ReportedChange; names: string[] }>();
  for (const change of changes) {
    const key = JSON.stringify([change.action, change.kind, change.effect]);
    const group = groups.get(key) ?? { change, names: [] };
    group.names.push(change.name);
    groups.set(key, group);
  }
  return [...groups.values()]
    .sort((a, b) => actions.indexOf(b.change.action) - actions.indexOf(a.change.action))
    .map(({ change, names }) => ({ ...change, names: names.join(", ") }));
}

function settingText({ key, before, after }: ImpactReport["settings"][number]): string {
  return `${key}: ${before} → ${after}`;
}

function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

function list(entries: readonly string[]): string {
  return entries.map((entry) => `- ${entry}`).join("\n");
}

function titled(title: string, blocks: readonly string[]): string {
  return blocks.length === 0 ? "" : `### ${title}\n\n${blocks.join("\n\n")}`;
}

/** Text as it is, whatever characters it holds. */
function code(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
