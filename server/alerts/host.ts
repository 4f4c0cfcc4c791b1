import { X509Certificate } from "node:crypto";
import { statfsSync } from "node:fs";

/** What only the server itself sees of where it runs. */
export interface HostFacts {
  /** The earlier end of its certificate and of its authority's. */
  readonly certificateExpiresAt: string | null;
  /** How full the disk is that its state lies on: on a Docker host, usually the one of all volumes. */
  readonly diskUsedPercent: number | null;
}

/** One look at the file system counts for so long. */
const diskLookMs = 5000;

/** Looks at the server's own disk and certificates. Asks nobody. */
export class Host {
  readonly #stateDirectory: string;
  #disk: { readonly at: number; readonly percent: number | null } = {
    at: Number.NEGATIVE_INFINITY,
    percent: null,
  };
  #certificates: { readonly text: string; readonly expiresAt: string | null } = { text: "", expiresAt: null };

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory;
  }

  facts(certificate: string, ca: string): HostFacts {
    return { certificateExpiresAt: this.#expiry(certificate, ca), diskUsedPercent: this.#diskUsedPercent() };
  }

  #expiry(certificate: string, ca: string): string | null {
    const text = `${certificate}\n${ca}`;
    if (text !== this.#certificates.text) {
      this.#certificates = { text, expiresAt: earliestEnd([certificate, ca]) };
    }
    return this.#certificates.expiresAt;
  }

  #diskUsedPercent(): number | null {
    const now = performance.now();
    if (now - this.#disk.at >= diskLookMs)
      this.#disk = { at: now, percent: usedPercent(this.#stateDirectory) };
    return this.#disk.percent;
  }
}

/** Of a file with several, the first is the one in use. */
function earliestEnd(files: readonly string[]): string | null {
  try {
    const ends = files.map((pem) => Date.parse(new X509Certificate(pem).validTo));
    return new Date(Math.min(...ends)).toISOString();
  } catch {
    return null; // Not known, and shown as that: connections say what is wrong with them.
  }
}

/** As df counts: of what an ordinary user may fill. */
function usedPercent(folder: string): number | null {
  try {
    const { blocks, bfree, bavail } = statfsSync(folder);
    const used = blocks - bfree;
    return used + bavail === 0 ? null : Math.ceil((100 * used) / (used + bavail));
  } catch {
    return null; // Not known, and shown as that.
  }
}
