import { z } from "zod";
import { type Judgement, severities } from "./rules.ts";
import { type ChannelName, channelNames, type ReadonlyAlertSettings, ruleNames } from "./settings.ts";
import type { Steadiness } from "./steadiness.ts";

const time = z.string();
const toldSchema = z.object({ fired: time.nullable(), recovered: time.nullable() });

const incidentSchema = z.object({
  key: z.string(),
  /** Which of this key it is, from 1. */
  number: z.number().int(),
  rule: z.enum(ruleNames),
  severity: z.enum(severities),
  subject: z.string(),
  problem: z.string(),
  remedy: z.string(),
  firedAt: time,
  recoveredAt: time.nullable(),
  /** What each channel has been told, and when. Those that were configured when it fired. */
  told: z.partialRecord(z.enum(channelNames), toldSchema),
});

/**
 * What has fired, and what people have been told of it: of each key the last incident. Servers hand it to each other and
 * keep it on their disks, so that whoever sends next knows what was sent.
 */
export const ledgerSchema = z.object({
  incidents: z.record(z.string(), incidentSchema),
  /** How each channel does: what its last attempt came to. */
  channels: z.partialRecord(z.enum(channelNames), z.object({ at: time, problem: z.string().nullable() })),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
export type Incident = DeepReadonly<z.output<typeof incidentSchema>>;
export type Ledger = DeepReadonly<z.output<typeof ledgerSchema>>;
export type NoticeKind = "fired" | "recovered";

export const emptyLedger: Ledger = { incidents: {}, channels: {} };

/** What has been over for so long is not told any more to who was not told of it; who was is always told of its end. */
const worthTellingMs = 24 * 3600 * 1000;

/** What decides: the judgements of now and since when they have been the same. */
export interface Decision {
  readonly judgements: readonly Judgement[];
  readonly steadiness: Steadiness;
  readonly settings: Pick<ReadonlyAlertSettings, "delaySeconds" | "recoverySeconds">;
  readonly channels: readonly ChannelName[];
  /** By the clock of the steadiness. */
  readonly now: number;
  /** The same moment, to be shown. */
  readonly at: string;
}

/**
 * Opens an incident for what has held long enough, and closes one that has been over long enough. Pure. At most one
 * incident of a key is open, so that between two notices of it there is always a recovery.
 */
export function decide(ledger: Ledger, decision: Decision): Ledger {
  const { judgements, steadiness, settings, now, at } = decision;
  const incidents: Record<string, Incident> = { ...ledger.incidents };
  for (const judgement of judgements) {
    const { key, holds } = judgement;
    const before = incidents[key];
    const isOpen = before !== undefined && before.recoveredAt === null;
    const steady = steadiness.get(key);
    if (steady === undefined || holds !== steady.holds) continue;
    const lasted = now - steady.since;
    if (holds && !isOpen && lasted >= settings.delaySeconds * 1000)
      incidents[key] = opened(judgement, before, decision);
    if (!holds && isOpen && lasted >= settings.recoverySeconds * 1000)
      incidents[key] = { ...before, recoveredAt: at };
  }
  // A rule that was silenced, a server that left the model.
  const asked = new Set(judgements.map(({ key }) => key));
  for (const [key, incident] of Object.entries(incidents))
    if (incident.recoveredAt === null && !asked.has(key)) incidents[key] = { ...incident, recoveredAt: at };
  return { ...ledger, incidents };
}

function opened(judgement: Judgement, before: Incident | undefined, { channels, at }: Decision): Incident {
  const { holds: _, ...rest } = judgement;
  const told = channels.map((channel) => {
    // It was told of the last incident and not yet of its end: to it this one goes on.
    const last = before?.told[channel];
    const goesOn = last !== undefined && last.fired !== null && last.recovered === null;
    return [channel, { fired: goesOn ? last.fired : null, recovered: null }] as const;
  });
  return {
    ...rest,
    number: (before?.number ?? 0) + 1,
    firedAt: at,
    recoveredAt: null,
    told: Object.fromEntries(told),
  };
}

/** What a channel has not been told yet. */
export interface Outstanding {
  readonly incident: Incident;
  readonly kind: NoticeKind;
  /** Since when there is something to tell. */
  readonly since: string;
}

/** What a channel has to be told next, the oldest first; each incident's end after its beginning. */
export function outstanding(ledger: Ledger, channel: ChannelName, now: number): readonly Outstanding[] {
  return Object.values(ledger.incidents)
    .flatMap((incident): readonly Outstanding[] => {
      const told = incident.told[channel];
      if (told === undefined) return [];
      const { recoveredAt } = incident;
      if (told.fired === null) {
        const isOld = recoveredAt !== null && now - Date.parse(recoveredAt) > worthTellingMs;
        return isOld ? [] : [{ incident, kind: "fired", since: incident.firedAt }];
      }
      if (recoveredAt === null || told.recovered !== null) return [];
      return [{ incident, kind: "recovered", since: recoveredAt }];
    })
    .sort((a, b) => compare(a.since, b.since) || compare(a.incident.key, b.incident.key));
}

/** The ledger with a notice marked as sent; unchanged where another incident has taken its place. */
export function markTold(
  ledger: Ledger,
  { key, number }: Pick<Incident, "key" | "number">,
  channel: ChannelName,
  kind: NoticeKind,
  at: string,
): Ledger {
  const incident = ledger.incidents[key];
  const told = incident?.told[channel];
  if (incident === undefined || told === undefined) return ledger;
  // A newer incident goes on from what was told of the older one.
  if (incident.number !== number && !(kind === "fired" && told.fired === null)) return ledger;
  const after = { ...incident, told: { ...incident.told, [channel]: { ...told, [kind]: told[kind] ?? at } } };
  return { ...ledger, incidents: { ...ledger.incidents, [key]: after } };
}

/** The ledger with what an attempt on a channel came to. */
export function markChannel(
  ledger: Ledger,
  channel: ChannelName,
  at: string,
  problem: string | null,
): Ledger {
  return { ...ledger, channels: { ...ledger.channels, [channel]: { at, problem } } };
}

/**
 * What two servers know together. In whatever order and however often ledgers are merged, the result is the same: the
 * newer incident of each key, over once anybody knows that it is over, told what anybody has told.
 */
export function mergeLedgers(a: Ledger, b: Ledger): Ledger {
  return {
    incidents: mergeRecords(a.incidents, b.incidents, mergeIncidents),
    channels: mergeRecords(a.channels, b.channels, (x, y) =>
      compare(x.at, y.at) === 0 ? first(x, y) : x.at > y.at ? x : y,
    ),
  };
}

function mergeIncidents(a: Incident, b: Incident): Incident {
  if (a.number !== b.number) return a.number > b.number ? a : b;
  const words =
    a.firedAt === b.firedAt ? first(wordsOf(a), wordsOf(b)) : wordsOf(a.firedAt < b.firedAt ? a : b);
  return {
    ...words,
    recoveredAt: earliest(a.recoveredAt, b.recoveredAt),
    told: mergeRecords(a.told, b.told, (x, y) => ({
      fired: earliest(x.fired, y.fired),
      recovered: earliest(x.recovered, y.recovered),
    })),
  };
}

function wordsOf({ recoveredAt: _, told: __, ...words }: Incident): Omit<Incident, "recoveredAt" | "told"> {
  return words;
}

function mergeRecords<K extends string, T>(
  a: Readonly<Partial<Record<K, T>>>,
  b: Readonly<Partial<Record<K, T>>>,
  merge: (x: T, y: T) => T,
): Record<K, T> {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort() as K[];
  return Object.fromEntries(
    keys.map((key) => {
      const [x, y] = [a[key], b[key]];
      return [key, x === undefined ? y : y === undefined ? x : merge(x, y)];
    }),
  ) as Record<K, T>;
}

function earliest(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Either of two, always the same one. */
function first<T>(a: T, b: T): T {
  return JSON.stringify(a) <= JSON.stringify(b) ? a : b;
}
