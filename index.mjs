// What Pulumi starts: the program of index.ts, see scripts/launch.
import { bundled } from "./scripts/launch/bundle.mjs";

/** @returns the stack's outputs */
export default async () => ({ ...(await import(await bundled("index.ts"))) });
