/** What is typed in the project's folder, for the stack that is meant: without a name `npm run` works on dev. */
export function npmRun(stack: string, script: string, ...args: readonly string[]): string {
  const all = [...args, ...(stack === "dev" ? [] : ["--stack", stack])];
  return `npm run ${script}${all.length > 0 ? ` -- ${all.join(" ")}` : ""}`;
}

/** The end of what a container has written. */
export function logOf(containerName: string): string {
  return `docker logs --tail 50 ${containerName}`;
}
