/** A time as the API gives it, RFC 3339 in UTC: text already in the database, in one form whatever its settings are. */
export function utc(column: string, name: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "${name}"`;
}
