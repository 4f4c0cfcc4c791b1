import type { ServerConfig } from "../../core/serverConfig.ts";
import type { Deployment } from "./peers.ts";

/** What a server shows that is told of no others: itself and its databases. */
export function aloneWith({ server, listen, databases }: ServerConfig): Deployment {
  return {
    model: databases.length > 1 ? "read-only" : "secondary",
    synchronous: false,
    databases: databases.map(({ name, certificateName }) => ({
      name,
      slot: name.replaceAll("-", "_"),
      containerName: certificateName,
    })),
    servers: [
      {
        name: server.id,
        displayName: server.displayName,
        containerName: server.id,
        address: listen.address,
        port: listen.port,
        certificateName: server.id,
      },
    ],
    gateway: null,
    applications: [],
  };
}
