import picocolors from "picocolors";

type Stream = Pick<NodeJS.WriteStream, "isTTY">;

/**
 * The colours for what is written to a stream: none unless it is a terminal and `NO_COLOR` is not set
 * (https://no-color.org). The library alone would also colour wherever `CI` is set, and so write escape codes into
 * files and into what other programs read.
 */
export function coloursFor(stream: Stream, environment: NodeJS.ProcessEnv = process.env) {
  return picocolors.createColors(stream.isTTY === true && !environment.NO_COLOR);
}

/** For standard output. */
export const colours = coloursFor(process.stdout);
/** For standard error. */
export const errorColours = coloursFor(process.stderr);
