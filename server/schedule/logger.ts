import { Logger as LibraryLogger } from "graphile-worker";
import type { Logger } from "../log.ts";

/** The job library says nothing. */
export const quietLogger = new LibraryLogger(() => () => undefined);

/** The job library's messages in this server's log; its routine ones at the level debug. */
export function libraryLogger(log: Logger): LibraryLogger {
  return new LibraryLogger(() => (level, message) => {
    if (level === "error" || level === "warning") log.warn({ library: "graphile-worker" }, message);
    else log.debug({ library: "graphile-worker" }, message);
  });
}
