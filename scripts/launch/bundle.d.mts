/** See bundle.mjs. */
export function bundled(entry: string, root?: string): Promise<string>;
