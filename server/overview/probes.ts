import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { connect } from "node:net";
import type { ServerConfig } from "../../core/serverConfig.ts";
import { sharedLookup } from "../databases/connection.ts";

/** So long anything may take to answer. */
export const timeoutMs = 1000;

type Application = NonNullable<ServerConfig["deployment"]>["applications"][number];

/**
 * Why one's own application is not well, by the rule of the gateway: it answers its path with 2xx or 3xx, or takes a
 * connection where it has no path. Null where it is well.
 */
export function applicationProblem(application: Application, ca: string): Promise<string | null> {
  const { address, port, protocol, healthPath, certificateName } = application;
  if (healthPath === "") return connectionProblem(address, port);
  return new Promise((resolve) => {
    const options = {
      host: address,
      port,
      path: healthPath,
      headers: { host: "localhost" },
      agent: false,
      lookup: sharedLookup,
      signal: AbortSignal.timeout(timeoutMs),
    };
    const outgoing =
      protocol === "https"
        ? requestHttps({ ...options, ca, servername: certificateName })
        : requestHttp(options);
    outgoing.on("response", (incoming) => {
      const status = incoming.statusCode ?? 0;
      incoming.destroy();
      resolve(status >= 200 && status < 400 ? null : `it answers ${healthPath} with ${status}`);
    });
    outgoing.on("error", (error) => resolve(isSilence(error) ? silence().message : error.message));
    outgoing.end();
  });
}

/** Why a bare connection, which the gateway does not log, cannot be made; null where it can. */
export function connectionProblem(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup: sharedLookup });
    const end = (problem: string | null): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(timeoutMs, () => end(silence().message));
    socket.once("connect", () => end(null));
    socket.once("error", (error) => end(error.message));
  });
}

/** Whether a request was given up because its time was over. */
export function isSilence(error: Error): boolean {
  return error.name === "TimeoutError" || error.name === "AbortError";
}

export function silence(): Error {
  return new Error(`no answer within ${timeoutMs / 1000} s`);
}
