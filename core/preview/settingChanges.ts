import { isSecretSetting } from "../alerts/settings.ts";
import type { Settings } from "../settings.ts";
import type { SettingChange } from "./report.ts";

/** What Pulumi gives in the place of a secret. */
const hidden = "[secret]";

/**
 * The settings that differ, a nested one by its path (`ports.gateway`); what is not set is `-`. A secret is not shown;
 * whether one that is hidden differs, nobody can say.
 */
export function settingChanges(before: Settings, after: Settings): readonly SettingChange[] {
  const [old, wanted] = [flatten(before), flatten(after)];
  return [...new Set([...old.keys(), ...wanted.keys()])].flatMap((key) => {
    const change = { key, before: old.get(key) ?? "-", after: wanted.get(key) ?? "-" };
    if (change.before === change.after) return [];
    if (!isSecretSetting(key)) return [change];
    if (change.after === hidden && change.before !== "") return [];
    const shown = (value: string) => (value === "" || value === "-" ? value : hidden);
    return [{ key, before: shown(change.before), after: shown(change.after) }];
  });
}

function flatten(value: unknown, path = ""): ReadonlyMap<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return new Map([[path, typeof value === "string" ? value : JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [
      ...flatten(inner, path === "" ? key : `${path}.${key}`),
    ]),
  );
}
