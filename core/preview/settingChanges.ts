import { mayBeSecret } from "../alerts/settings.ts";
import type { Settings } from "../settings.ts";
import type { SettingChange } from "./report.ts";

const secret = "[secret]";

/**
 * The settings that differ, a nested one by its path (`ports.gateway`); what is not set is `-`. Of what may be a secret
 * only that it differs.
 */
export function settingChanges(before: Settings, after: Settings): readonly SettingChange[] {
  const [old, wanted] = [flatten(before), flatten(after)];
  return [...new Set([...old.keys(), ...wanted.keys()])].flatMap((key) => {
    const change = { key, before: old.get(key) ?? "-", after: wanted.get(key) ?? "-" };
    if (change.before === change.after) return [];
    return [mayBeSecret(key.split(".")) ? { key, before: secret, after: secret } : change];
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
