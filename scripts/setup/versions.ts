/** Takes the first thing that looks like a version out of a program's answer: "v3.245.0" or "go version go1.26.8". */
export function findVersion(text: string): string | undefined {
  return /\d+\.\d+(?:\.\d+)?(?:-[0-9A-Za-z.-]+)?/.exec(text)?.[0];
}

/**
 * Whether `found` is `wanted` or newer. A pre-release (3.245.0-alpha.1) is older than its release; what follows a plus
 * sign does not count.
 */
export function isAtLeast(found: string, wanted: string): boolean {
  const [foundNumbers, foundIsPreRelease] = parse(found);
  const [wantedNumbers, wantedIsPreRelease] = parse(wanted);
  for (const [index, wantedNumber] of wantedNumbers.entries()) {
    const difference = (foundNumbers[index] ?? 0) - wantedNumber;
    if (difference !== 0) return difference > 0;
  }
  return !foundIsPreRelease || wantedIsPreRelease;
}

function parse(version: string): [numbers: [number, number, number], isPreRelease: boolean] {
  const [release = "", preRelease] = version.replace(/^v/, "").split("+")[0]?.split(/-(.*)/s) ?? [];
  const [major, minor, patch] = release.split(".").map((part) => Number.parseInt(part, 10) || 0);
  return [[major ?? 0, minor ?? 0, patch ?? 0], preRelease !== undefined];
}
