import { useId } from "react";
import type { DatabaseTile, Overview, ServerTile } from "../../../server/overview/schema.ts";
import { bytes } from "../format.ts";
import { databaseIsActive, receives, serverIsActive } from "../known.ts";

const width = 400;
const height = 292;
/** Where the picture begins that has no gateway. */
const top = 80;
const box = { width: 122, height: 52 } as const;
const rows = { gateway: 8, servers: 92, databases: 226 } as const;

interface Place {
  readonly x: number;
  readonly y: number;
}

/** Who is there, who uses whom, and which way the data flows. The same is said in words in its description. */
export function Topology({ overview }: { readonly overview: Overview }) {
  const title = useId();
  const description = useId();
  const servers = spread(overview.servers.length, rows.servers);
  const databases = databasePlaces(overview);
  const gateway: Place = { x: width / 2, y: rows.gateway };
  return (
    <svg
      className="topology"
      viewBox={overview.gateway ? `0 0 ${width} ${height}` : `0 ${top} ${width} ${height - top}`}
      role="img"
      aria-labelledby={`${title} ${description}`}
    >
      <title id={title}>Topology</title>
      <desc id={description}>{inWords(overview)}</desc>
      <defs>
        {["arrow", "arrow-broken"].map((id) => (
          <marker
            key={id}
            id={id}
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="4"
            markerHeight="4"
            orient="auto"
          >
            <path d="M0 0 8 4 0 8z" className={id} />
          </marker>
        ))}
      </defs>
      {overview.gateway &&
        overview.servers.map((server, index) => (
          <Line
            key={server.name}
            from={{ x: gateway.x, y: gateway.y + 32 }}
            to={{ x: servers[index]?.x ?? 0, y: rows.servers }}
            kind={overview.gateway?.reachable && server.active ? "on" : "off"}
          />
        ))}
      {overview.servers.map((server, index) => {
        const used = overview.databases.findIndex(({ name }) => name === server.database);
        const target = databases[used];
        return target === undefined ? null : (
          <Line
            key={server.name}
            from={{ x: servers[index]?.x ?? 0, y: rows.servers + box.height }}
            to={{ x: target.x, y: rows.databases }}
            kind="on"
          />
        );
      })}
      <Replication overview={overview} places={databases} />
      {overview.gateway && (
        <g className={`node ${overview.gateway.reachable ? "ok" : "bad"}`}>
          <rect x={gateway.x - 50} y={gateway.y} width="100" height="32" rx="16" />
          <text x={gateway.x} y={gateway.y + 21}>
            Gateway
          </text>
        </g>
      )}
      {overview.servers.map((server, index) => (
        <ServerNode key={server.name} server={server} place={servers[index] ?? gateway} />
      ))}
      {overview.databases.map((database, index) => (
        <DatabaseNode key={database.name} database={database} place={databases[index] ?? gateway} />
      ))}
    </svg>
  );
}

function ServerNode({ server, place }: { readonly server: ServerTile; readonly place: Place }) {
  const as = server.isActingPrimary ? "acting primary" : server.role;
  return (
    <g className={`node ${look(serverIsActive(server))}`}>
      <rect x={place.x - box.width / 2} y={place.y} width={box.width} height={box.height} rx="10" />
      <text x={place.x} y={place.y + 22}>
        {short(server.displayName)}
      </text>
      <text x={place.x} y={place.y + 39} className="minor">
        {as}
      </text>
    </g>
  );
}

function DatabaseNode({ database, place }: { readonly database: DatabaseTile; readonly place: Place }) {
  const { x, y } = place;
  const radius = box.width / 2;
  const left = x - radius;
  return (
    <g className={`node database ${look(databaseIsActive(database))}`}>
      <path d={`M${left} ${y + 8}v40a${radius} 10 0 0 0 ${box.width} 0v-40`} />
      <ellipse cx={x} cy={y + 8} rx={radius} ry="8" />
      <text x={x} y={y + 33}>
        {database.name}
      </text>
      <text x={x} y={y + 48} className="minor">
        {database.observedAt === null ? "unknown" : database.role}
        {database.timeline === null ? "" : `, timeline ${database.timeline}`}
      </text>
    </g>
  );
}

/** An arrow from the writable database to the one that follows it. */
function Replication({
  overview,
  places,
}: {
  readonly overview: Overview;
  readonly places: readonly Place[];
}) {
  const from = overview.databases.findIndex(({ name }) => name === overview.writable);
  const to = overview.databases.findIndex(({ name }) => name !== overview.writable);
  const [source, target] = [places[from], places[to]];
  const standby = overview.databases[to];
  if (source === undefined || target === undefined || standby === undefined) return null;
  const sign = Math.sign(target.x - source.x);
  const y = rows.databases + 24;
  const start = source.x + (sign * box.width) / 2;
  const end = target.x - (sign * box.width) / 2;
  const streams = receives(standby);
  return (
    <g className={streams ? "flow" : "flow broken"}>
      <line
        x1={start + sign * 3}
        y1={y}
        x2={end - sign * 3}
        y2={y}
        markerEnd={streams ? "url(#arrow)" : "url(#arrow-broken)"}
      />
      <text x={(start + end) / 2} y={y - 7} className="minor">
        {streams === null ? "unknown" : streams ? bytes(standby.lagBytes) : "stopped"}
      </text>
    </g>
  );
}

function look(isActive: boolean | null): string {
  return isActive === null ? "" : isActive ? "ok" : "bad";
}

function Line({ from, to, kind }: { readonly from: Place; readonly to: Place; readonly kind: "on" | "off" }) {
  return <line className={`link ${kind}`} x1={from.x} y1={from.y} x2={to.x} y2={to.y} />;
}

function spread(count: number, y: number): readonly Place[] {
  const step = count === 3 ? 133 : 200;
  const first = width / 2 - ((count - 1) * step) / 2;
  return Array.from({ length: count }, (_, index) => ({ x: first + index * step, y }));
}

function databasePlaces({ databases }: Overview): readonly Place[] {
  const y = rows.databases;
  return databases.length === 1
    ? [{ x: width / 2, y }]
    : [
        { x: 92, y },
        { x: width - 67, y },
      ];
}

/** What fits into a box. */
function short(name: string): string {
  return name.length > 17 ? `${name.slice(0, 16)}…` : name;
}

function inWords({ servers, databases, writable, gateway }: Overview): string {
  const parts = [
    ...(gateway ? [`The gateway is ${gateway.reachable ? "reachable" : "not reachable"}.`] : []),
    ...servers.map(
      ({ displayName, role, database }) =>
        `${displayName} is ${role}${database === null ? "" : ` and uses the ${database} database`}.`,
    ),
    writable === null ? "No database accepts writes." : `The ${writable} database accepts writes.`,
    ...databases
      .filter(({ role }) => role === "standby")
      .map(({ name, streaming }) => {
        const follows =
          streaming === null ? "may follow it or not" : streaming ? "follows it" : "does not stream";
        return `The ${name} database ${follows}.`;
      }),
  ];
  return parts.join(" ");
}
