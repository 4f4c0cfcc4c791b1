import type { Topology } from "./topology.ts";

/** The kinds of image that a deployment runs, and the folders of the project that decide what is in each. */
export const imageSources = {
  database: ["images/database"],
  server: [
    "images/server",
    "server",
    "web",
    "core/alerts",
    "core/backups",
    "core/causes",
    "core/connectionFailure.ts",
    "core/gatewayToken.ts",
    "core/intent.ts",
    "core/keyFingerprint.ts",
    "core/lsn.ts",
    "core/nextSteps.ts",
    "core/observation.ts",
    "core/ownCertificate.ts",
    "core/serverConfig.ts",
    "core/statusFindings.ts",
    "core/supportBundle",
    "core/transition",
    "core/verdict.ts",
    "core/vocabulary.ts",
    "package-lock.json",
  ],
  gateway: ["images/gateway"],
} as const;

export type ImageKind = keyof typeof imageSources;

/** What a function gives for each kind of image. */
export function forEachImageKind<T>(make: (kind: ImageKind) => T): Readonly<Record<ImageKind, T>> {
  return { database: make("database"), server: make("server"), gateway: make("gateway") };
}

/**
 * Name of a stack's image: the content decides the tag, so that an unchanged image is never built twice.
 *
 * @param topology its revision of this kind makes it another image, with the packages of another day
 */
export function imageName(
  topology: Pick<Topology, "project" | "stack" | "imageRevisions">,
  kind: ImageKind,
  contentHash: string,
): string {
  const { project, stack, imageRevisions } = topology;
  const revision = imageRevisions[kind];
  return `${project}-${stack}/${kind}:${contentHash}${revision === "" ? "" : `-${revision}`}`;
}

/**
 * Name under which the part of an image that comes from the distribution's packages is kept between stacks. It holds
 * nothing of a stack, and saves each new one the download.
 */
export function packagesImageName(project: string, kind: ImageKind): string {
  return `${project}-packages/${kind}:trixie`;
}
