import { join } from "node:path";
import { execa } from "execa";
import { ask } from "../../scripts/observe/server.ts";
import { projectFolder } from "../../scripts/setup/paths.ts";
import type { Deployment } from "./deployment.ts";
import { Nodes } from "./nodes.ts";
import { localEngine } from "./run.ts";

/** Kept between runs, as the packages of the project's own images are: it holds nothing of a stack. */
export const powerDnsImage = "pg-continuity-packages/powerdns:trixie";

/** Builds the image; at once where nothing has changed since. */
export async function buildPowerDns(): Promise<void> {
  const folder = join(projectFolder, "test", "support", "powerdns");
  await execa("docker", ["--host", localEngine, "build", "--tag", powerDnsImage, folder], { all: true });
}

const zone = "example.org.";
const zones = "/api/v1/servers/localhost/zones";

/** PowerDNS behind the gateway of a deployment, as a client of its API knows it. */
export class PowerDns {
  readonly #deployment: Deployment;
  readonly #key: string;

  private constructor(deployment: Deployment, key: string) {
    this.#deployment = deployment;
    this.#key = key;
  }

  /** With the key that the application itself has read from its file. */
  static async of(deployment: Deployment): Promise<PowerDns> {
    const nodes = await Nodes.of(deployment);
    const file = "/run/secrets/pg-continuity/secret-key";
    const { stdout } = await nodes.exec("primary-application", "cat", file);
    return new PowerDns(deployment, stdout);
  }

  async createZone(): Promise<number> {
    return (await this.#gateway("POST", zones, { name: zone, kind: "Native", nameservers: [] })).status;
  }

  /** Sets one address record; the same once more changes nothing. */
  async setAddress(host: string, address: string): Promise<number> {
    const records = [{ content: address, disabled: false }];
    const rrsets = [{ name: `${host}.${zone}`, type: "A", ttl: 60, changetype: "REPLACE", records }];
    return (await this.#gateway("PATCH", `${zones}/${zone}`, { rrsets })).status;
  }

  /** Every address record, by its host. @throws with the answer that is none */
  async addresses(): Promise<Readonly<Record<string, string>>> {
    const { status, body } = await this.#gateway("GET", `${zones}/${zone}`);
    if (status !== 200) throw new Error(`answered ${status}: ${body.slice(0, 200)}`);
    return addressesIn(body);
  }

  /** The same, asked of the application beside one server. */
  async addressesAt(port: number): Promise<Readonly<Record<string, string>>> {
    const headers = { "x-api-key": this.#key };
    const answer = await fetch(`http://127.0.0.1:${port}${zones}/${zone}`, { headers });
    if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${await answer.text()}`);
    return addressesIn(await answer.text());
  }

  async #gateway(method: string, path: string, body?: unknown) {
    const { topology, access } = await this.#deployment.deployed();
    return ask(topology.gateway, access.caCertificate, path, {
      method,
      headers: { "x-api-key": this.#key, "content-type": "application/json" },
      timeoutSeconds: 10,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }
}

interface RecordSet {
  readonly name: string;
  readonly type: string;
  readonly records: readonly { readonly content: string }[];
}

function addressesIn(body: string): Readonly<Record<string, string>> {
  const { rrsets } = JSON.parse(body) as { rrsets: readonly RecordSet[] };
  return Object.fromEntries(
    rrsets
      .filter(({ type }) => type === "A")
      .map(({ name, records }) => [name.slice(0, -`.${zone}`.length), records[0]?.content ?? ""]),
  );
}
