import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import Docker from "dockerode";

/**
 * A client for the engine at a Docker URL.
 *
 * - `unix://PATH`: the socket
 * - `tcp://HOST:PORT`: with TLS, by the certificates in `DOCKER_CERT_PATH` (default `~/.docker`), as the docker CLI does
 * - `ssh://USER@HOST`: through `ssh … docker system dial-stdio`, so that keys, known hosts and `~/.ssh/config` count
 *
 * @throws Error for any other URL, or when the certificates of a tcp:// URL cannot be read
 */
export function connectEngine(url: string): Docker {
  const parsed = new URL(url);
  switch (parsed.protocol) {
    case "unix:":
      return new Docker({ socketPath: parsed.pathname });
    case "tcp:": {
      const folder = process.env.DOCKER_CERT_PATH ?? join(homedir(), ".docker");
      const read = (name: string) => readFileSync(join(folder, name));
      return new Docker({
        protocol: "https",
        host: parsed.hostname,
        port: parsed.port === "" ? 2376 : Number(parsed.port),
        ca: read("ca.pem"),
        cert: read("cert.pem"),
        key: read("key.pem"),
      });
    }
    case "ssh:":
      return new Docker({
        protocol: "http",
        host: "docker.invalid",
        agent: sshAgent(parsed),
      } as Docker.DockerOptions);
    default:
      throw new Error(`${url}: no Docker URL. Use unix://, ssh:// or tcp://.`);
  }
}

/** An HTTP agent whose connections are `docker system dial-stdio` at the other end of ssh. */
function sshAgent(url: URL): Agent {
  const target = url.username === "" ? url.hostname : `${url.username}@${url.hostname}`;
  const port = url.port === "" ? [] : ["-p", url.port];
  const agent = new Agent({ keepAlive: true });
  Object.assign(agent, {
    createConnection: () => {
      const ssh = spawn(
        "ssh",
        [
          "-o",
          "BatchMode=yes",
          "-o",
          "ConnectTimeout=10",
          ...port,
          "--",
          target,
          "docker",
          "system",
          "dial-stdio",
        ],
        { stdio: ["pipe", "pipe", "inherit"] },
      );
      const stream = Duplex.from({ writable: ssh.stdin, readable: ssh.stdout });
      ssh.on("error", (error) => stream.destroy(error));
      return Object.assign(stream, {
        setTimeout: () => stream,
        setNoDelay: () => stream,
        setKeepAlive: () => stream,
      });
    },
  });
  return agent;
}
