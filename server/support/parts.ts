import { type BundlePart, jsonPart } from "../../core/supportBundle/archive.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { healthBody, witnessBody } from "../http/healthRoutes.ts";
import type { Services } from "../http/services.ts";
import { listTransitions } from "../transitions/store.ts";
import { version } from "../version.ts";

/** What is not as PostgreSQL has it by itself, as far as this server's login may see it. */
const settingsSql =
  "select name, setting, unit, source, pending_restart from pg_settings where source <> 'default' order by name";

/** Everything that a server can tell of itself and of what it sees, for whoever helps from afar. */
export function supportParts(services: Services): readonly BundlePart[] {
  const { config, monitor, cluster, cipher, schema, startedAt, reader } = services;
  return [
    jsonPart("versions.json", () => ({
      version,
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      startedAt: new Date(startedAt).toISOString(),
      memory: process.memoryUsage(),
      keyFingerprint: cipher.keyId,
      schema: schema(),
    })),
    jsonPart("configuration.json", () => config),
    jsonPart("health.json", () => healthBody(services)),
    jsonPart("witness.json", () => witnessBody(services)),
    jsonPart("high-availability.json", () => monitor.overview()),
    jsonPart("lag-history.json", () => monitor.history),
    jsonPart(
      "transitions.json",
      async () => (await reader.run((client) => listTransitions(client, 50))).value,
    ),
    ...config.databases.flatMap(({ name }) => [
      jsonPart(`databases/${name}/seen.json`, () => ({
        ...cluster.view(name),
        detail: cluster.detail(name),
      })),
      jsonPart(`databases/${name}/settings.json`, () => settingsOf(services, name)),
    ]),
    { path: "log.txt", collect: async () => services.recentLog() },
  ];
}

async function settingsOf({ cluster }: Services, name: DatabaseName): Promise<unknown> {
  const { reachable, problem } = cluster.view(name);
  if (!reachable) throw new Error(`the ${name} database cannot be asked (${problem ?? "no reason known"})`);
  return (await cluster.pool(name).using((client) => client.query(settingsSql))).rows;
}
