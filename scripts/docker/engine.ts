import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import Docker from "dockerode";

/** How long an engine that is only looked at may take to answer, in seconds. */
const lookSeconds = 5;
/** The same for one that did not answer a moment ago: a transition looks again before each step, while writes wait. */
const lookAgainSeconds = 0.5;
/** How long a moment is, in milliseconds. */
const momentMs = 10_000;

/** Engines that did not answer when they were last looked at, by their URLs: since when. */
const silentSince = new Map<string, number>();

/**
 * A client for looking at an engine: a host that has vanished answers nothing at all, neither yes nor no, and nobody waits
 * for it longer than a few seconds. For questions only: what an engine is told to do may take its time.
 *
 * @throws as `connectEngine`
 */
export function lookAtEngine(url: string): Docker {
  const since = silentSince.get(url);
  const isAgain = since !== undefined && performance.now() - since < momentMs;
  const seconds = isAgain ? lookAgainSeconds : lookSeconds;
  const engine = connectEngine(url, seconds);
  const { modem } = engine;
  const dial = modem.dial.bind(modem);
  modem.dial = (options, callback) => {
    const startedAt = performance.now();
    dial(options, (error, answer) => {
      // The client ends such a request as it does one whose connection broke.
      const isSilent = error !== null && performance.now() - startedAt >= seconds * 1000 - 50;
      if (!isSilent) silentSince.delete(url);
      else if (!isAgain) silentSince.set(url, performance.now());
      callback?.(isSilent ? new Error(`no answer within ${seconds} s`) : error, answer);
    });
  };
  return engine;
}

/**
 * A client for the engine at a Docker URL.
 *
 * - `unix://PATH`: the socket
 * - `tcp://HOST:PORT`: with TLS, by the certificates in `DOCKER_CERT_PATH` (default `~/.docker`), as the docker CLI does
 * - `ssh://USER@HOST`: through `ssh … docker system dial-stdio`, so that keys, known hosts and `~/.ssh/config` count
 *
 * @param answerSeconds how long each answer may take, and its connection be quiet; without it as long as it takes
 * @throws Error for any other URL, or when the certificates of a tcp:// URL cannot be read
 */
export function connectEngine(url: string, answerSeconds?: number): Docker {
  const parsed = new URL(url);
  const milliseconds = (answerSeconds ?? 0) * 1000;
  const limits = milliseconds === 0 ? {} : { connectionTimeout: milliseconds, timeout: milliseconds };
  switch (parsed.protocol) {
    case "unix:":
      return new Docker({ ...limits, socketPath: parsed.pathname });
    case "tcp:": {
      const folder = process.env.DOCKER_CERT_PATH ?? join(homedir(), ".docker");
      const read = (name: string) => readFileSync(join(folder, name));
      return new Docker({
        ...limits,
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
        ...limits,
        protocol: "http",
        host: "docker.invalid",
        agent: sshAgent(parsed),
      } as object);
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
          // A host that vanishes in the middle of an answer.
          "-o",
          "ServerAliveInterval=5",
          "-o",
          "ServerAliveCountMax=2",
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
