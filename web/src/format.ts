/** `12 B`, `3.4 MiB`. */
export function bytes(value: number | null): string {
  if (value === null) return "unknown";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let rest = value;
  let unit = 0;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? rest : rest.toFixed(1)} ${units[unit]}`;
}

/** `0.3 s`, `4 min`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Date and time, in the reader's own way of writing. */
export function dateTime(iso: string | null): string {
  return iso === null
    ? "unknown"
    : new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export function timeOfDay(iso: string): string {
  return new Date(iso).toLocaleTimeString();
}

/** How long ago, seen from `now`. */
export function ago(iso: string | null, now: string): string {
  if (iso === null) return "unknown";
  return duration(Math.max(0, (Date.parse(now) - Date.parse(iso)) / 1000));
}

/** `Primary`, `Read-only`. */
export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
