import { isSecretSetting } from "../alerts/settings.ts";
import { describeCertificate } from "../ownCertificate.ts";
import { type Settings, withoutSecrets } from "../settings.ts";
import type { SettingChange } from "./report.ts";

/** What Pulumi gives in the place of a secret. */
const hidden = "[secret]";

/**
 * The settings that differ, a nested one by its path (`ports.gateway`); what is not set is `-`. A secret is not shown;
 * whether one that is hidden differs, nobody can say.
 */
export function settingChanges(before: Settings, after: Settings): readonly SettingChange[] {
  const [old, wanted] = [flatten(withoutSecrets(before)), flatten(withoutSecrets(after))];
  return [...new Set([...old.keys(), ...wanted.keys()])].flatMap((key) => {
    const [is, will] = [old.get(key) ?? "-", wanted.get(key) ?? "-"];
    if (is === will) return [];
    if (!isSecretSetting(key)) return [{ key, before: shown(is), after: shown(will) }];
    if (will === hidden && is !== "") return [];
    const concealed = (value: string) => (value === "" || value === "-" ? value : hidden);
    return [{ key, before: concealed(is), after: concealed(will) }];
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
