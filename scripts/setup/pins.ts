/**
 * Every version that setup provides, in one place. Tests prove that package.json and the Go modules in tools/pulumi say
 * the same.
 */
export const pins = {
  /** Oldest Docker Engine that the docker plugin and this project work with. */
  dockerEngine: "20.10.0",
  /** Oldest Pulumi CLI that is used as found, and the version that is installed where there is none. */
  pulumi: "3.245.0",
  /** Release of Pulumi's Go SDK that still holds the language host; it works with the CLI above. */
  languageHost: "3.68.0",
  /** Resource plugins, exactly the versions that the npm packages ask the engine for. */
  plugins: { docker: "5.2.0", command: "1.2.1" },
  /** Oldest Go that builds them; `go` fetches a newer toolchain itself where it can. */
  go: "1.21.0",
  /** The image that every image of this project starts from, and the Debian release it is made of. */
  baseImage: { name: "debian:trixie-slim", suite: "trixie" },
} as const;

/** Resource plugins that the project uses. */
export type PluginName = keyof typeof pins.plugins;
