// Everything about the sources that needs no engine: types, lint, format, shell scripts.
//   npm run check

import { runChecks } from "./checks.ts";
import { colours } from "./cli/colours.ts";
import { main } from "./cli/main.ts";

await main(async () => {
  const results = await runChecks();
  for (const { ok, name, output, seconds } of results) {
    process.stdout.write(
      `${ok ? colours.green("ok    ") : colours.red("failed")} ${name} (${seconds.toFixed(1)} s)\n`,
    );
    if (!ok) process.stdout.write(`${output.trimEnd()}\n`);
  }
  return results.every(({ ok }) => ok) ? 0 : 1;
});
