import { colours, errorColours } from "../cli/colours.ts";
import { SetupError, SetupInterrupted, setup } from "./index.ts";

const { bold, dim, green } = colours;

try {
  const result = await setup();
  const width = Math.max(...[...result.findings.keys()].map((name) => name.length));
  for (const [name, finding] of result.findings) {
    console.log(
      `${green("✔")} ${name.padEnd(width)}  ${(finding.found ?? "").padEnd(20)} ${dim(finding.where ?? "")}`,
    );
  }
  for (const hint of result.hints) console.log(`${bold("hint")}: ${hint}`);
  const did = result.provided.length > 0 ? `provided ${result.provided.join(", ")}` : "all was there";
  console.log(`setup: ${did} (${result.elapsedSeconds.toFixed(1)} s)`);
} catch (error) {
  if (error instanceof SetupInterrupted) {
    console.error(error.message);
    process.exitCode = 130;
  } else if (error instanceof SetupError) {
    console.error(errorColours.red(error.message));
    process.exitCode = 1;
  } else throw error;
}
