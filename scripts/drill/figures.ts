/** Minimum, median, 95th percentile and maximum of measured values; null where there is none. */
export interface Figures {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** @returns null for no values */
export function figuresOf(values: readonly number[]): Figures | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, min: at(0), p50: at(0.5), p95: at(0.95), max: at(1) };
}

/** `0.312 s`, or a dash for what was not measured. */
export function secondsText(value: number | null | undefined): string {
  return value === null || value === undefined ? "-" : `${value.toFixed(3)} s`;
}
