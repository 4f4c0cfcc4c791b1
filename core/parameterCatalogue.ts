import { closest, distance } from "fastest-levenshtein";
import catalogue from "./postgres17Parameters.json" with { type: "json" };

/** What PostgreSQL says of one of its parameters (pg_settings). */
export interface ParameterDescription {
  /** When a change takes effect: `postmaster` needs a restart, `internal` cannot be set at all. */
  readonly context: string;
  readonly type: string;
  readonly unit?: string;
  readonly min?: number;
  readonly max?: number;
  readonly values?: readonly string[];
}

/** Every parameter of PostgreSQL 17. A test compares it with a running one. */
export const parameters: Readonly<Record<string, ParameterDescription>> = catalogue;

/** Whether a change of the parameter takes effect only when PostgreSQL is started again. */
export function needsRestart(name: string): boolean {
  return parameters[name]?.context === "postmaster";
}

/** What is wrong with a parameter, and what to do; undefined where nothing is. */
export function parameterProblem(
  name: string,
  value: string,
): { readonly reason: string; readonly remedy: string } | undefined {
  // Those of extensions are known only to the extension.
  if (/^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$/.test(name)) return undefined;
  const description = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
  if (!description) return unknownParameter(name);
  if (description.context === "internal")
    return {
      reason: "cannot be set: it is fixed when PostgreSQL is built or its data is made",
      remedy: "Remove it.",
    };
  const reason = valueProblem(description, value.trim());
  return reason === undefined
    ? undefined
    : {
        reason,
        remedy: "Correct the value; https://www.postgresql.org/docs/17/runtime-config.html explains it.",
      };
}

function unknownParameter(name: string): { reason: string; remedy: string } {
  const nearest = closest(name, Object.keys(parameters));
  const hint = distance(name, nearest) <= Math.max(2, name.length / 3) ? ` Did you mean "${nearest}"?` : "";
  return {
    reason: "is no parameter of PostgreSQL 17",
    remedy: `Correct or remove it.${hint} https://www.postgresql.org/docs/17/runtime-config.html lists all.`,
  };
}

function valueProblem(description: ParameterDescription, value: string): string | undefined {
  switch (description.type) {
    case "bool":
      return isBoolean(value) ? undefined : "is neither on nor off";
    case "enum":
      return isOneOf(description.values ?? [], value)
        ? undefined
        : `is none of ${description.values?.join(", ")}`;
    case "integer":
    case "real":
      return numberProblem(description, value);
    default:
      return undefined;
  }
}

/** As PostgreSQL reads it: any beginning of a word that is clear. */
function isBoolean(value: string): boolean {
  const text = value.toLowerCase();
  if (text === "1" || text === "0") return true;
  if (text === "o" || text === "") return false;
  return ["true", "false", "yes", "no", "on", "off"].some((word) => word.startsWith(text));
}

function isOneOf(values: readonly string[], value: string): boolean {
  const text = value.toLowerCase();
  // Where "on" is a value its synonyms are too, though PostgreSQL does not list them.
  return values.includes(text) || (values.includes("on") && isBoolean(value));
}

/** How many bytes, or microseconds, a unit has. */
const units: Readonly<Record<string, readonly [kind: "memory" | "time", size: number]>> = {
  B: ["memory", 1],
  kB: ["memory", 1024],
  "8kB": ["memory", 8192],
  MB: ["memory", 1024 ** 2],
  GB: ["memory", 1024 ** 3],
  TB: ["memory", 1024 ** 4],
  us: ["time", 1],
  ms: ["time", 1000],
  s: ["time", 1_000_000],
  min: ["time", 60_000_000],
  h: ["time", 3_600_000_000],
  d: ["time", 86_400_000_000],
};

/** How many bytes a value of a parameter is, in whatever unit it is written; undefined where it is none. */
export function memoryBytes(name: string, value: string): number | undefined {
  const description = parameters[name];
  const unit = units[description?.unit ?? ""];
  if (description === undefined || unit?.[0] !== "memory") return undefined;
  const number = numberOf(description, value.trim());
  return typeof number === "string" ? undefined : number * unit[1];
}

function numberProblem(description: ParameterDescription, value: string): string | undefined {
  const { unit, min, max } = description;
  const number = numberOf(description, value);
  if (typeof number === "string") return number;
  const range = `${min} to ${max}${unit === undefined ? "" : `, in units of ${unit}`}`;
  if ((min !== undefined && number < min) || (max !== undefined && number > max))
    return `is out of range (${range})`;
  return undefined;
}

/** A value in the parameter's own unit, or what is wrong with it. */
function numberOf({ unit, type }: ParameterDescription, value: string): number | string {
  const [, digits, given = ""] =
    /^([-+]?(?:0x[0-9a-f]+|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?))\s*([A-Za-z]*)$/i.exec(value) ?? [];
  if (digits === undefined) return "is no number";
  let number = Number(digits.replace(/^\+/, ""));
  if (given !== "") {
    const own = unit === undefined ? undefined : units[unit];
    const other = given === "8kB" ? undefined : units[given];
    if (!own) return `has a unit (${given}), and the parameter has none`;
    if (!other || other[0] !== own[0]) {
      const fitting = Object.keys(units).filter((name) => name !== "8kB" && units[name]?.[0] === own[0]);
      return `has no fitting unit (one of ${fitting.join(", ")})`;
    }
    number = (number * other[1]) / own[1];
  }
  return type === "integer" ? Math.round(number) : number;
}
