// Runs a program of the project:  node scripts/launch/run.mjs ENTRY.ts [ARGUMENT ...]
import { bundled } from "./bundle.mjs";

// The program sees itself and its own arguments.
process.argv.splice(1, 1);
const entry = process.argv[1];
if (entry === undefined) {
  console.error("usage: node scripts/launch/run.mjs ENTRY.ts [ARGUMENT ...]");
  process.exit(2);
}
await import(await bundled(entry));
