import * as pulumi from "@pulumi/pulumi";
import { Deployment } from "../../components/deployment.ts";
import { replacementOrder } from "../../core/replacementOrder.ts";
import { parseSettings } from "../../core/settings.ts";
import { deriveTopology } from "../../core/topology.ts";
import type { DatabaseName } from "../../core/vocabulary.ts";
import { rawConfig } from "./fixtures.ts";

/** A resource as the program under test has registered it. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  /** As Pulumi makes it of the types of the parents, the type and the name. */
  readonly urn: string;
  /** With secrets shown. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Names of the inputs that are secret, wholly or in a part. */
  readonly secretInputs: ReadonlySet<string>;
  readonly options: pulumi.CustomResourceOptions;
}

/** Under this key the SDK marks a secret on its way to the engine. */
const signature = "4dabf18193072939515e22adb298388d";

/**
 * Registers a whole deployment against mocks and returns what was registered, in order of URNs.
 *
 * @param writable the writable database of a deployment that runs already
 */
export async function registerDeployment(
  config: Readonly<Record<string, unknown>>,
  isPreview = false,
  writable?: DatabaseName,
): Promise<readonly Registered[]> {
  const inputs = new Map<string, Record<string, unknown>>();
  await pulumi.runtime.setMocks(
    {
      newResource(args) {
        inputs.set(`${args.type}::${args.name}`, args.inputs);
        // A Stash answers with the value it keeps; a container, network or volume with its name.
        const state = args.type === "pulumi:index:Stash" ? { output: args.inputs.input } : {};
        return {
          id: isPreview ? undefined : `${args.name}-id`,
          state: { ...args.inputs, ...state },
        };
      },
      call: () => ({}),
    },
    "pg-continuity",
    "unit",
    isPreview,
  );
  const seen: { type: string; name: string; urn: string; options: pulumi.CustomResourceOptions }[] = [];
  const paths = new Map<unknown, string>();
  const settings = parseSettings(rawConfig(config));
  const topology = deriveTopology("pg-continuity", "unit", settings);
  new Deployment(
    "deployment",
    { topology, settings, order: writable && replacementOrder(topology, writable) },
    {
      transformations: [
        ({ resource, type, name, opts }) => {
          const parent = paths.get(opts.parent);
          const path = parent === undefined ? type : `${parent}$${type}`;
          paths.set(resource, path);
          seen.push({ type, name, urn: `${path}::${name}`, options: opts });
          return undefined;
        },
      ],
    },
  );
  await settle();
  return seen
    .map((resource) => {
      const own = inputs.get(`${resource.type}::${resource.name}`) ?? {};
      const secretInputs = Object.keys(own).filter((key) => holdsSecret(own[key]));
      return {
        ...resource,
        inputs: unwrap(own) as Record<string, unknown>,
        secretInputs: new Set(secretInputs),
      };
    })
    .sort((a, b) => (a.urn < b.urn ? -1 : 1));
}

/** Waits until every registration and everything that follows from one has been done. */
async function settle(): Promise<void> {
  await pulumi.runtime.disconnect();
}

function holdsSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return signature in value || Object.values(value).some(holdsSecret);
}

function unwrap(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrap);
  if (typeof value !== "object" || value === null) return value;
  if (signature in value && "value" in value) return unwrap(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrap(inner)]));
}
