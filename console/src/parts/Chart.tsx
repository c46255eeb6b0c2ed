import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { momentText, numberText } from "./format";
import type { Columns } from "./series";
import styles from "./chart.module.css";

type Props = { data: Columns; label: string; unit: string; stepped?: boolean; from: number; to: number };

/** A line over time. Decorative for who cannot see it: the table beside it holds the same. */
export function Chart({ data, label, unit, stepped = false, from, to }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [looked, look] = useState<number | null>(null);
  const [painted, repaint] = useState(0);
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const again = () => repaint((count) => count + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    window.addEventListener("themechange", again);
    system.addEventListener("change", again);
    return () => {
      window.removeEventListener("themechange", again);
      system.removeEventListener("change", again);
    };
  }, []);

  useEffect(() => {
    const place = holder.current!;
    const drawn = new uPlot(optionsOf(place, stepped, look), tuple(latest.current), place);
    plot.current = drawn;
    const sizes = new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height: place.clientHeight }));
    sizes.observe(place);
    return () => {
      sizes.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [stepped, painted]);

  useEffect(() => {
    plot.current?.batch(() => {
      plot.current!.setData(tuple(data), false);
      plot.current!.setScale("x", { min: from, max: to });
    });
  }, [data, from, to, painted, stepped]);

  const at = looked === null ? null : data.times[looked];
  const value = looked === null ? null : data.values[looked];
  return (
    <div>
      <p className={styles.readout} aria-hidden>
        {at !== null && at !== undefined && value !== null && value !== undefined ? (
          <>
            <strong className="numbers">
              {numberText(value)} {unit}
            </strong>{" "}
            at {momentText(at * 1000)}
          </>
        ) : (
          <>{unit ? `in ${unit}` : " "}</>
        )}
      </p>
      <div ref={holder} className={styles.plot} role="img" aria-label={label} />
    </div>
  );
}

function tuple(data: Columns): uPlot.AlignedData {
  return [data.times, data.values, data.bad];
}

function optionsOf(place: HTMLElement, stepped: boolean, look: (index: number | null) => void): uPlot.Options {
  const style = getComputedStyle(place);
  const ink = style.getPropertyValue("--ink-soft");
  const accent = style.getPropertyValue("--accent");
  const font = "12px Inter Variable, system-ui, sans-serif";
  const grid = { stroke: style.getPropertyValue("--line"), width: 1 };
  const axis = { stroke: ink, font, grid, ticks: { show: false } };
  return {
    width: place.clientWidth,
    height: place.clientHeight,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { time: true, auto: false }, y: { range: { min: { pad: 0.1 }, max: { pad: 0.1 } } } },
    axes: [
      { ...axis, space: 70, values: TIMES },
      { ...axis, size: 56, space: 36, values: (_, ticks) => ticks.map((tick) => numberText(tick)) },
    ],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8, fill: accent } },
    series: [
      {},
      {
        stroke: accent,
        width: 1.75,
        fill: `color-mix(in srgb, ${accent} 9%, transparent)`,
        spanGaps: false,
        points: { show: (drawn) => drawn.data[0].length <= FEW, size: 5, fill: accent, stroke: accent },
        ...(stepped ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
      },
      {
        stroke: style.getPropertyValue("--bar-bad"),
        paths: () => null,
        points: { show: true, size: 5, fill: style.getPropertyValue("--bar-bad") },
      },
    ],
    hooks: { setCursor: [(drawn) => look(drawn.cursor.idx ?? null)] },
  };
}

/** So few values are drawn as dots too: one alone would leave no trace as a line. */
const FEW = 40;

/** How times are written below the line, by their distance in seconds: 24 hours, day before month. */
const TIMES: uPlot.Axis.Values = [
  [86_400, "{D} {MMM}", null, null, null, null, null, null, 1],
  [3_600, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
];
