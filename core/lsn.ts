/** A position in the WAL as a number: `16/B374D848` is 0x16 * 2^32 + 0xB374D848. Exact up to 2^53 bytes. */
export function parseLsn(lsn: string): number {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(lsn);
  if (!match?.[1] || !match[2]) throw new Error(`"${lsn}" is no WAL position (like 16/B374D848)`);
  return Number.parseInt(match[1], 16) * 2 ** 32 + Number.parseInt(match[2], 16);
}

/** The reverse of `parseLsn`. */
export function renderLsn(position: number): string {
  const hex = (number: number) => number.toString(16).toUpperCase();
  return `${hex(Math.floor(position / 2 ** 32))}/${hex(position % 2 ** 32)}`;
}

/** The position one byte before another one: who is past it has come at least to that. */
export function lsnBefore(lsn: string): string {
  return renderLsn(Math.max(0, parseLsn(lsn) - 1));
}

/** How many bytes `behind` is behind `ahead`; 0 where it is not. */
export function lsnDistance(ahead: string, behind: string): number {
  return Math.max(0, parseLsn(ahead) - parseLsn(behind));
}
