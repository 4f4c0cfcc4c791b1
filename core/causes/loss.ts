/** What came of one question to a node: `silent` over the connection that was open, `taken` where its host took a new one. */
export type Attempt = "answered" | "silent" | "taken" | "untaken";

/**
 * How a node was lost. `cut`: it fell silent over an open connection, and takes no new one. Whose process ends has its
 * connections closed, so on the observer's own engine it is the network that is missing. `silent`: the first of both.
 */
export type Loss = "none" | "silent" | "cut" | "other";

/** Goes on with what became of the next question. Pure. */
export function lossAfter(before: Loss, attempt: Attempt): Loss {
  if (attempt === "answered") return "none";
  if (before === "none") return attempt === "silent" ? "silent" : "other";
  // A host that takes connections is not cut off, whatever runs on it.
  if (attempt === "taken") return "other";
  return before === "silent" ? "cut" : before;
}
