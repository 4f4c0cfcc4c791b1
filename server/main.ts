import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ConfigurationError } from "./config/error.ts";
import { type Configuration, loadConfiguration } from "./config/load.ts";
import { readPages } from "./http/pages.ts";
import { createLogger, type Logger, standardOutput } from "./log.ts";
import { Runtime } from "./runtime.ts";
import { RecentLog } from "./support/recentLog.ts";

/** Something a person has to correct; to start again would not help (sysexits: EX_CONFIG). */
const exitConfiguration = 78;

/** `server.mjs --config FILE`. Ends with 0 after SIGTERM, 78 for a wrong configuration or key, 1 after an error. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: "string" } } });
  const path = values.config;
  if (path === undefined) throw new ConfigurationError("--config", ["name the server's configuration file"]);
  const configuration = await loadConfiguration(path);
  const recentLog = new RecentLog(standardOutput());
  const { logLevel: level, server } = configuration.config;
  await serve(path, configuration, createLogger({ level, server: server.id }, recentLog), recentLog);
}

async function serve(
  path: string,
  configuration: Configuration,
  log: Logger,
  recentLog: RecentLog,
): Promise<void> {
  let runtime: Runtime | null = null;
  let ending = false;
  const end = (code: number): void => {
    if (ending) return;
    ending = true;
    const stopped = runtime?.stop() ?? Promise.resolve();
    stopped.then(
      () => process.exit(code),
      (error: unknown) => {
        log.fatal({ err: error }, "could not stop cleanly");
        process.exit(1);
      },
    );
  };
  const fail = (error: unknown): void => {
    log.fatal({ err: error }, "unexpected error, the server ends");
    end(1);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  process.on("SIGTERM", () => end(0));
  process.on("SIGINT", () => end(0));
  let reloading = Promise.resolve();
  process.on("SIGHUP", () => {
    reloading = reloading.then(() => runtime?.reload());
  });

  // Built beside this program (server/bundle.ts).
  const pages = await readPages(fileURLToPath(new URL("web", import.meta.url)));
  runtime = await Runtime.start(path, configuration, { pages, recentLog }, log, (error) => {
    log.fatal({ err: error }, error.message);
    end(exitConfiguration);
  });
}

main().catch((error: unknown) => {
  const log = createLogger({ level: "info", server: "unknown" });
  log.fatal({ err: error }, error instanceof Error ? error.message : String(error));
  process.exit(error instanceof ConfigurationError ? exitConfiguration : 1);
});
