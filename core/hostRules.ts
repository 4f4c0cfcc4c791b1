import type { Problem } from "./problems.ts";

/** What of the settings says which engines there are and what runs on them. */
export interface HostSettings {
  readonly hosts: Readonly<Record<string, { readonly docker: string; readonly address: string }>>;
  readonly placement: Readonly<Record<string, string | undefined>>;
  readonly publishedAddress: string;
}

/**
 * Rules between hosts, placement and published address: each node on a host that there is, each host an engine of its
 * own, and what is on several hosts published where the others reach it.
 *
 * @param namespace the first part of every path
 */
export function hostProblems(
  { hosts, placement, publishedAddress }: HostSettings,
  namespace: string,
): Problem[] {
  const problems: Problem[] = [];
  const used = new Set<string>();
  for (const [node, host] of Object.entries(placement)) {
    if (host === undefined) continue;
    if (host in hosts) used.add(host);
    else
      problems.push({
        path: `${namespace}:placement.${node}`,
        value: JSON.stringify(host),
        reason: `is not among the hosts (${Object.keys(hosts).join(", ")})`,
        remedy: `Name one of them, or add the host under "${namespace}:hosts".`,
      });
  }
  const byEngine = new Map<string, string>();
  for (const [name, { docker }] of Object.entries(hosts)) {
    const other = byEngine.get(docker);
    if (other !== undefined)
      problems.push({
        path: `${namespace}:hosts.${name}.docker`,
        value: JSON.stringify(docker),
        reason: `is the engine of host ${other} too`,
        remedy: `Give it the URL of its own engine, or remove one of the two: "pulumi config rm --path '${namespace}:hosts.${name}'".`,
      });
    byEngine.set(docker, name);
  }
  const beyond = [...used].filter((name) => !hosts[name]?.address.startsWith("127."));
  if (used.size > 1 && beyond.length > 0 && publishedAddress.startsWith("127."))
    problems.push({
      path: `${namespace}:publishedAddress`,
      value: JSON.stringify(publishedAddress),
      reason: `is reached from its own machine only, but the nodes are placed on several hosts (${[...used].join(", ")})`,
      remedy: 'Publish where the other hosts reach it: "pulumi config set publishedAddress 0.0.0.0".',
    });
  return problems;
}

/** At which name or address clients reach the gateway: as the settings say, else where it is published. */
export function gatewayAddressOf({
  gatewayAddress,
  publishedAddress,
  hosts,
  placement,
}: HostSettings & { readonly gatewayAddress: string }): string {
  if (gatewayAddress !== "") return gatewayAddress;
  if (publishedAddress !== "0.0.0.0") return publishedAddress;
  const host = hosts[placement.gateway ?? ""] ?? Object.values(hosts)[0];
  return host?.address ?? "127.0.0.1";
}
