import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { secretsFolder } from "./ownApplication.ts";
import type { Problem } from "./problems.ts";
import { nodeNamesOf } from "./topology.ts";
import type { Model } from "./vocabulary.ts";

const port = z.number().int().min(1).max(65535);

/** Names in the environment that the contract gives (docs/your-application.md). */
const ownNames =
  /^(PG[A-Z]+|DATABASE_(READ_ONLY_)?URL(_FILE)?|SERVER_(ID|ROLE)|AGENT_URL|CA_FILE|SECRETS_DIRECTORY|PORT)$/;

const imageReference =
  /^[a-z0-9]+([._/-]+[a-z0-9]+)*(:[0-9]+(\/[a-z0-9._-]+)+)?(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$/;

/** One's own application; without an image the gateway leads to the vault. */
export const applicationSchema = z.strictObject({
  image: z
    .string()
    .refine(
      (image) => image === "" || (imageReference.test(image) && !image.endsWith(":latest")),
      "names no image with a version (NAME:TAG, not latest, or NAME@sha256:…)",
    )
    .default("")
    .meta({
      description: "Image with its version; empty: the vault. On every host, or where it can be pulled",
    }),
  port: port.default(8080).meta({ description: "Where it listens inside its container" }),
  protocol: z
    .enum(["http", "https"])
    .default("http")
    .meta({ description: "How the gateway speaks to it; https with the certificate that it is given" }),
  healthPath: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~/%?=&-]*)?$/, "is no path (/health)")
    .default("")
    .meta({ description: "What the gateway asks whether it is well (2xx, 3xx); empty: a TCP connection" }),
  user: z.number().int().min(1).max(65533).default(999).meta({
    description: "Number of user and group that it runs as, and that its files belong to",
  }),
  environment: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "is no name of a variable"),
      z.union([z.string(), z.number(), z.boolean()]),
    )
    .default({})
    .meta({ description: "Further variables, not for secrets" }),
  command: z.array(z.string()).default([]).meta({ description: "Instead of the image's own command" }),
  readOnlyFileSystem: z
    .boolean()
    .default(true)
    .meta({ description: "Whether it can write nothing but /tmp, which is in memory" }),
});

type ApplicationSettings = z.infer<typeof applicationSchema>;

interface Surroundings {
  readonly application: ApplicationSettings;
  readonly hosts: Readonly<Record<string, unknown>>;
  readonly placement: Readonly<Record<string, string | undefined>>;
  readonly model: Model;
}

/**
 * Rules between the application's settings, and between them and others.
 *
 * @param isSecret whether something of them is encrypted in the stack's config
 */
export function applicationProblems(
  settings: Surroundings,
  namespace: string,
  isSecret: boolean,
): readonly Problem[] {
  const { application } = settings;
  const path = `${namespace}:application`;
  if (application.image === "") return problemsWithoutImage(application, path);
  const problems: Problem[] = Object.keys(application.environment)
    .filter((name) => ownNames.test(name))
    .map((name) => ({
      path: `${path}.environment.${name}`,
      reason: "is set by this project itself (docs/your-application.md)",
      remedy: `Remove it: "pulumi config rm --path 'application.environment.${name}'".`,
    }));
  if (isSecret && (Object.keys(application.environment).length > 0 || application.command.length > 0))
    problems.push({
      path,
      reason:
        "holds a secret of the stack's config, and everybody who may look at the container could read it (docker inspect)",
      remedy: `Take it out of environment and command: the application finds a secret of its own in ${secretsFolder}/secret-key (docs/your-application.md). What is none: "pulumi config set --plaintext --path 'application.environment.NAME' VALUE".`,
    });
  if (application.protocol === "http" && !areTogether(settings))
    problems.push({
      path: `${path}.protocol`,
      value: '"http"',
      reason: "is not encrypted, and gateway and servers are placed on different hosts",
      remedy:
        "Let the application serve TLS with the certificate that it is given, and set https; or place gateway and servers on one host.",
    });
  return problems;
}

function problemsWithoutImage(application: ApplicationSettings, path: string): readonly Problem[] {
  const given = Object.entries(applicationSchema.parse({}))
    .filter(([key, value]) => !isDeepStrictEqual(application[key as keyof ApplicationSettings], value))
    .map(([key]) => key);
  if (given.length === 0) return [];
  return [
    {
      path: `${path}.image`,
      reason: `is empty, but ${given.join(", ")} of the application ${given.length > 1 ? "are" : "is"} set`,
      remedy: `Name the image ("pulumi config set --path 'application.image' NAME:TAG"), or remove the rest ("pulumi config rm application").`,
    },
  ];
}

/** Whether the gateway and every server of the model are placed on one host. */
function areTogether({ hosts, placement, model }: Surroundings): boolean {
  const [first] = Object.keys(hosts);
  const nodes = nodeNamesOf(model).filter((node) => node === "gateway" || node.endsWith("-server"));
  return new Set(nodes.map((node) => placement[node] ?? first)).size === 1;
}
