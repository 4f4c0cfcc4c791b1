import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { CertificateFiles } from "./serverPki.ts";

const dockerfile = `FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-17 && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/17/bin:$PATH
USER postgres
STOPSIGNAL SIGINT
`;

/** First start: a new primary, or a copy of UPSTREAM that follows it. Later starts: as it was. */
const start = `set -eu
D=/var/lib/postgresql/node
if [ ! -f "$D/PG_VERSION" ]; then
  if [ -n "$UPSTREAM" ]; then
    pg_basebackup -d "host=$UPSTREAM user=postgres" -D "$D" -R -X stream --checkpoint=fast
  else
    initdb -D "$D" -U postgres -A trust -k --no-sync >/dev/null
    cat > "$D/pg_hba.conf" <<HBA
local all all trust
hostssl vault application,migration all scram-sha-256
host replication postgres all trust
HBA
    cat >> "$D/postgresql.conf" <<CONF
listen_addresses = '*'
ssl = on
ssl_cert_file = '/tmp/tls.crt'
ssl_key_file = '/tmp/tls.key'
wal_retrieve_retry_interval = '100ms'
wal_keep_size = '256MB'
CONF
  fi
fi
umask 077
printf %s "$CERTIFICATE" > /tmp/tls.crt
printf %s "$KEY" > /tmp/tls.key
exec postgres -D "$D"
`;

/** Two real PostgreSQL nodes in containers, reached on 127.0.0.1. Everything bears the run's label. */
export class TestPostgres {
  readonly #runId: string;
  #image = "";

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** Builds the image once per machine, and the network of this run. */
  async prepare(): Promise<void> {
    const hash = createHash("sha256").update(dockerfile).digest("hex").slice(0, 12);
    this.#image = `pg-continuity-test/postgres:${hash}`;
    const found = await execa("docker", ["image", "inspect", this.#image], { reject: false });
    if (found.exitCode !== 0)
      await execa("docker", ["build", "-q", "-t", this.#image, "-"], { input: dockerfile });
    await execa("docker", ["network", "create", ...this.#label, this.#runId]);
  }

  /** Creates a node; it starts as a primary, or as a standby of `upstream`. */
  async create(name: string, port: number, tls: CertificateFiles, upstream = ""): Promise<void> {
    const env = {
      UPSTREAM: upstream && this.container(upstream),
      CERTIFICATE: tls.certificate,
      KEY: tls.key,
    };
    await execa("docker", [
      ...["create", ...this.#label, "--name", this.container(name), "--network", this.#runId],
      ...["-p", `127.0.0.1:${port}:5432`],
      ...Object.entries(env).flatMap(([key, value]) => ["-e", `${key}=${value}`]),
      ...[this.#image, "bash", "-c", start],
    ]);
  }

  container(name: string): string {
    return `${this.#runId}-${name}`;
  }

  /** `start`, `stop`, `kill`, `pause`, `unpause` … */
  async docker(command: string, name: string): Promise<void> {
    await execa("docker", [command, this.container(name)]);
  }

  /** Runs SQL as superuser over the local socket and gives the lines of the answer. */
  async sql(name: string, statement: string, database = "postgres"): Promise<string[]> {
    const { stdout } = await execa("docker", [
      ...["exec", "-i", this.container(name), "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c"],
      statement,
    ]);
    return stdout === "" ? [] : stdout.split("\n");
  }

  async ready(name: string): Promise<void> {
    await until(`${name} accepts connections`, async () => {
      const { exitCode } = await execa(
        "docker",
        ["exec", this.container(name), "psql", "-XAtq", "-d", "postgres", "-c", "select 1"],
        { reject: false },
      );
      return exitCode === 0;
    });
  }

  /** Removes all that bears the run's label, also after a failure. */
  async remove(): Promise<void> {
    const filter = ["--filter", `label=pg-continuity.test=${this.#runId}`];
    const containers = await execa("docker", ["ps", "-aq", ...filter]);
    if (containers.stdout !== "") await execa("docker", ["rm", "-fv", ...containers.stdout.split("\n")]);
    const networks = await execa("docker", ["network", "ls", "-q", ...filter]);
    if (networks.stdout !== "") await execa("docker", ["network", "rm", ...networks.stdout.split("\n")]);
  }

  get #label(): string[] {
    return ["--label", `pg-continuity.test=${this.#runId}`];
  }
}

/** Waits until `condition` holds, at most `seconds`. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  seconds = 30,
  pauseMs = 50,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(pauseMs);
  }
}

/** A port of 127.0.0.1 that nobody uses now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
        else reject(new Error("no port"));
      });
    });
  });
}
