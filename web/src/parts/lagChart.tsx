import { useEffect, useId } from "react";
import type { History } from "../../../server/overview/schema.ts";
import { bytes, duration, timeOfDay } from "../format.ts";
import { useQuery } from "../useQuery.ts";

const width = 640;
const height = 120;
const refreshMs = 15_000;

/** How far the standby was behind in the last hours. */
export function LagChart() {
  const { data, problem, reload } = useQuery<History>("/api/high-availability/history");
  useEffect(() => {
    const timer = setInterval(reload, refreshMs);
    return () => clearInterval(timer);
  }, [reload]);
  if (problem !== null)
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  if (data === null) return <p className="muted">Loading …</p>;
  if (data.samples.length < 2)
    return (
      <p className="muted">
        This server takes notes since {timeOfDay(data.since)}; the first appear after half a minute.
      </p>
    );
  return <Chart samples={data.samples} />;
}

function Chart({ samples }: { readonly samples: History["samples"] }) {
  const title = useId();
  const first = Date.parse(samples[0]?.at ?? "");
  const last = Date.parse(samples.at(-1)?.at ?? "");
  const known = samples.flatMap((sample) => (sample.bytes === null ? [] : [sample.bytes]));
  const worst = samples.reduce((most, { seconds }) => Math.max(most, seconds ?? 0), 0);
  const top = Math.max(1024, ...known);
  const x = (at: string) => ((Date.parse(at) - first) / Math.max(1, last - first)) * width;
  const y = (value: number) => height - (value / top) * (height - 8);
  // A gap where it was not known: the line begins anew.
  const path = samples
    .map((sample, index) => {
      if (sample.bytes === null) return "";
      const isFirst = samples[index - 1]?.bytes == null;
      return `${isFirst ? "M" : "L"}${x(sample.at).toFixed(1)} ${y(sample.bytes).toFixed(1)}`;
    })
    .join("");
  return (
    <figure className="chart">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby={title} preserveAspectRatio="none">
        <title id={title}>
          {`Lag from ${timeOfDay(samples[0]?.at ?? "")} to ${timeOfDay(samples.at(-1)?.at ?? "")}: at most ${bytes(Math.max(0, ...known))} and ${duration(worst)}`}
        </title>
        <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} className="axis" />
        <path d={path} className="line" />
      </svg>
      <figcaption>
        <span>{timeOfDay(samples[0]?.at ?? "")}</span>
        <span>
          at most {bytes(Math.max(0, ...known))}, {duration(worst)}
        </span>
        <span>{timeOfDay(samples.at(-1)?.at ?? "")}</span>
      </figcaption>
    </figure>
  );
}
