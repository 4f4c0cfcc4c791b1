import { z } from "zod";
import { protectionText } from "./protection.ts";

const stateSchema = z.object({
  inputs: z.record(z.string(), z.unknown()).optional(),
  protect: z.boolean().optional(),
  /** Pulumi forgets the resource and leaves it where it is. */
  retainOnDelete: z.boolean().optional(),
});

const stepSchema = z.object({
  op: z.string(),
  urn: z.string(),
  oldState: stateSchema.nullish(),
  newState: stateSchema.nullish(),
  diffReasons: z.array(z.string()).nullish(),
  replaceReasons: z.array(z.string()).nullish(),
  detailedDiff: z.record(z.string(), z.object({ kind: z.string() })).nullish(),
});

const diagnosticSchema = z.object({
  message: z.string(),
  severity: z.string(),
  urn: z.string().optional(),
});

/** What is read of the document that `pulumi preview --json` prints. */
const digestSchema = z.object({
  config: z.record(z.string(), z.string()).default({}),
  steps: z.array(stepSchema).nullish(),
  diagnostics: z.array(diagnosticSchema).nullish(),
});

export type PreviewStep = z.infer<typeof stepSchema>;

/** What Pulumi said beside the steps. */
export interface Diagnostic {
  readonly severity: "info" | "warning" | "error";
  readonly text: string;
  /** Type of the resource that it belongs to, where it belongs to one. */
  readonly type?: string;
}

/** A preview as Pulumi has computed it. */
export interface Digest {
  /** The stack's config with every default, as the program was given it. */
  readonly config: Readonly<Record<string, string>>;
  readonly steps: readonly PreviewStep[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads what `pulumi preview --json` has printed.
 *
 * @param failure where it has failed: what it said beside; it counts where the document itself does not say why
 * @throws Error when it is no such document (the CLI had ended before it could print one)
 */
export function parseDigest(text: string, failure?: string): Digest {
  const parsed = digestSchema.safeParse(jsonOf(text));
  if (!parsed.success) throw new Error(`"pulumi preview --json" printed no preview: ${text.slice(0, 200)}`);
  const { config, steps, diagnostics } = parsed.data;
  const said = (diagnostics ?? []).map(toDiagnostic);
  const isSilent = failure !== undefined && !said.some(saysWhyItFailed);
  return {
    config,
    steps: steps ?? [],
    diagnostics: isSilent ? [...said, failureOf(failure)] : said,
  };
}

/** Whether it is a reason why a preview has failed: not only that it has. */
export function saysWhyItFailed({ severity, text }: Diagnostic): boolean {
  return severity === "error" && !/^(preview|update) failed$/.test(text);
}

function failureOf(said: string): Diagnostic {
  const text = said.trim() === "" ? '"pulumi preview" ended with an error and did not say which' : said;
  return toDiagnostic({ message: text, severity: "error" });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema refuses it, with the text in the message.
    return undefined;
  }
}

function toDiagnostic({ message, severity, urn }: z.infer<typeof diagnosticSchema>): Diagnostic {
  const text = message.replace(/^(error|warning): /, "").trim();
  const known = severity === "error" || severity === "warning" ? severity : "info";
  const resource = urn === undefined ? undefined : parseUrn(urn);
  return {
    severity: known,
    text: protectionText(text) ?? text,
    ...(resource === undefined ? {} : { type: resource.type }),
  };
}

/** Type and logical name of a resource: `urn:pulumi:STACK::PROJECT::PARENTS$TYPE::NAME`. */
export function parseUrn(urn: string): { readonly type: string; readonly name: string } {
  const [types = "", name = ""] = urn.split("::").slice(2);
  return { type: types.split("$").at(-1) ?? types, name };
}
