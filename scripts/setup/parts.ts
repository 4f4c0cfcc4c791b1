import { baseImage } from "./baseImage.ts";
import { dockerClient, dockerEngine } from "./dockerEngine.ts";
import type { Part } from "./part.ts";
import { plainPulumi } from "./plainPulumi.ts";
import { plugin } from "./plugins.ts";
import { projectState } from "./projectState.ts";
import { pulumiCli } from "./pulumiCli.ts";

/** All that the project needs beside Node.js and its npm packages, in the order in which it is shown. */
export const parts: readonly Part[] = [
  projectState,
  dockerClient,
  dockerEngine,
  baseImage,
  pulumiCli,
  plugin("docker"),
  plugin("command"),
  plainPulumi,
];
