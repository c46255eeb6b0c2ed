import { useQuery } from "@tanstack/react-query";
import { ChartLine } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { call } from "../../api/client";
import { type Sample, useSample, useTail } from "../../live/stream";
import { Notice } from "../../parts/controls";
import { ageText, momentText, numberText, unitText, valueText } from "../../parts/format";
import { useNow } from "../../parts/now";
import { Bones, Empty, Panel } from "../../parts/Panel";
import { Segments } from "../../parts/Segments";
import { columns, extent, type Row } from "../../parts/series";
import { Verdict } from "../../parts/Verdict";
import { CommandForm } from "./CommandForm";
import { PointFacts } from "./PointFacts";
import { nameOf, type PointOf } from "./points";
import styles from "./devices.module.css";
import table from "../../parts/table.module.css";

const Chart = lazy(() => import("../../parts/Chart").then((module) => ({ default: module.Chart })));

type Range = "hour" | "day" | "week" | "month";
const RANGES: Record<Range, string> = { hour: "1 h", day: "24 h", week: "7 d", month: "30 d" };
const SPANS: Record<Range, { ms: number; step: string; words: string }> = {
  hour: { ms: 3_600_000, step: "10s", words: "the last hour" },
  day: { ms: 86_400_000, step: "5m", words: "the last 24 hours" },
  week: { ms: 604_800_000, step: "30m", words: "the last 7 days" },
  month: { ms: 2_592_000_000, step: "2h", words: "the last 30 days" },
};
const ROWS_SHOWN = 500;

/** One point in depth: now, over time, and what is known of it. */
export function PointPanel({ point }: { point: PointOf }) {
  const about = useQuery({
    queryKey: ["metadata", point.address],
    queryFn: ({ signal }) => call("GET /metadata/{address}", { path: { address: point.address }, signal }),
  });
  const facts = about.data?.effective ?? {};
  const unit = unitText(facts["unit"]);
  return (
    <div className={styles.stack}>
      <Panel title={nameOf(point)} aside={<code className="soft">{[...point.path, point.name].join("/")}</code>}>
        <Now point={point} unit={unit} precision={facts["precision"]} />
        <Course point={point} unit={unit} />
      </Panel>
      {settable(point) && <CommandForm point={point} unit={unit} range={facts["range"]} />}
      <PointFacts point={point} facts={facts} />
    </div>
  );
}

/** Tells whether the point can be set, and by who is signed in. */
function settable(point: PointOf): boolean {
  const may = ["WRITE", "OPERATE", "CONFIGURE", "GRANT", "OWN"].includes(point.found?.permission ?? "");
  return may && (point.constraint === "SetPoint" || point.constraint === "Parameter");
}

function Now({ point, unit, precision }: { point: PointOf; unit: string; precision: unknown }) {
  const sample = useSample(point.address);
  const now = useNow();
  const shown: Partial<Sample> = sample ?? (point.found as Partial<Sample> | undefined) ?? {};
  return (
    <p className={styles.now}>
      <span className={styles.big}>
        {valueText(shown.value, precision)} <small>{unit}</small>
      </span>
      <Verdict verdict={shown.verdict} reason={shown.reason} />
      {shown.observed_at && (
        <span className="small soft numbers">
          measured {ageText(shown.observed_at, now)}
        </span>
      )}
    </p>
  );
}

function Course({ point, unit }: { point: PointOf; unit: string }) {
  const [range, choose] = useState<Range>("day");
  const [shape, shapeAs] = useState<"chart" | "table">("chart");
  const numeric = point.type === "Number" || point.type === "Integer";
  const span = SPANS[range];
  const history = useQuery({
    queryKey: ["history", point.address, range],
    queryFn: async ({ signal }) => {
      const to = Date.now();
      const query = {
        from: new Date(to - span.ms).toISOString(),
        to: new Date(to).toISOString(),
        max: 5_000,
        ...(numeric ? { resampleInterval: span.step, resampleFunction: "MEAN" as const } : {}),
      };
      const rows = await call("GET /history/{address}", { path: { address: point.address }, query, signal });
      return { rows, from: (to - span.ms) / 1000, to: to / 1000 };
    },
    refetchInterval: range === "hour" ? 10_000 : 60_000,
  });
  const past = history.data?.rows ?? NONE;
  const tail = useTail(point.address, history.data && (past.at(-1)?.time ?? new Date(history.data.from * 1000).toISOString()));
  const rows = useMemo(() => (tail.length ? [...past, ...tail] : past), [past, tail]);
  const data = useMemo(() => columns(past, tail), [past, tail]);
  const figures = extent(data.values);
  const name = nameOf(point);
  const label = figures
    ? `${name}, ${span.words}: from ${numberText(figures.low)} to ${numberText(figures.high)} ${unit}, last ${numberText(figures.last)} ${unit}`
    : `${name}, ${span.words}`;
  return (
    <>
      <div className={styles.tools}>
        <Segments label="Time range" chosen={range} options={RANGES} onChoose={choose} />
        <Segments label="Shown as" chosen={shape} options={{ chart: "Chart", table: "Table" }} onChoose={shapeAs} />
      </div>
      {history.error ? (
        <Notice>{history.error.message}</Notice>
      ) : !history.data ? (
        <Bones lines={1} height={282} />
      ) : rows.length === 0 ? (
        <Empty Icon={ChartLine} title={`No values in ${span.words}`}>
          Choose a longer time, or wait for the next value: it appears by itself.
        </Empty>
      ) : shape === "table" || (!numeric && point.type !== "Boolean") ? (
        <Rows rows={rows} unit={unit} label={label} />
      ) : (
        <Suspense fallback={<Bones lines={1} height={282} />}>
          <Chart data={data} label={label} unit={unit} stepped={!numeric} from={history.data.from} to={Math.max(history.data.to, data.times.at(-1) ?? 0)} />
        </Suspense>
      )}
    </>
  );
}

const NONE: Row[] = [];

function Rows({ rows, unit, label }: { rows: Row[]; unit: string; label: string }) {
  const newest = rows.slice(-ROWS_SHOWN).reverse();
  return (
    <div className={styles.rows} tabIndex={0} role="region" aria-label={label}>
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col" className={table.right}>
              Value{unit && `, ${unit}`}
            </th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          {newest.map((row) => (
            <tr key={row.time}>
              <td className={`${table.quiet} numbers`}>{momentText(row.time)}</td>
              <td className={`${table.right} numbers`}>{valueText(row.value)}</td>
              <td>
                <Verdict verdict={row.verdict} reason={row.reason} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
