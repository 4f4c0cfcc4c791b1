/** Set by the bundler; the bare sources have no version of their own. */
export const version: string = process.env.PG_CONTINUITY_VERSION ?? "development";
