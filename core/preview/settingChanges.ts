import { describeCertificate } from "../ownCertificate.ts";
import { type Settings, withoutSecrets } from "../settings.ts";
import type { SettingChange } from "./report.ts";

/** The settings that differ, a nested one by its path (`ports.gateway`); what is not set is `-`. */
export function settingChanges(before: Settings, after: Settings): readonly SettingChange[] {
  const [old, wanted] = [flatten(withoutSecrets(before)), flatten(withoutSecrets(after))];
  return [...new Set([...old.keys(), ...wanted.keys()])].flatMap((key) => {
    const [is, will] = [old.get(key) ?? "-", wanted.get(key) ?? "-"];
    return is === will ? [] : [{ key, before: shown(is), after: shown(will) }];
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

/** Nobody reads PEM. */
function shown(value: string): string {
  return value.startsWith("-----BEGIN CERTIFICATE-----") ? describeCertificate(value) : value;
}
