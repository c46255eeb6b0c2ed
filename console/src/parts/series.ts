/** One row of a series as the platform answers it. */
export type Row = { time: string; value: boolean | number | string | null; verdict?: string | null; reason?: string | null };

/** Seconds since 1970, values, and the values judged bad, as the chart draws them. */
export type Columns = { times: number[]; values: (number | null)[]; bad: (number | null)[] };

/** A silence so many times longer than usual is a gap in the line. */
const GAP_TIMES = 5;

/**
 * Returns rows as columns; null breaks the line where nothing was measured for a while. What came
 * since they were asked for follows: it says nothing of how close together the others lie.
 */
export function columns(rows: readonly Row[], tail: readonly Row[] = []): Columns {
  const found: Columns = { times: [], values: [], bad: [] };
  const usual = usualStep(rows);
  let before: number | null = null;
  for (const row of [...rows, ...tail]) {
    const value = typeof row.value === "boolean" ? Number(row.value) : row.value;
    if (typeof value !== "number") continue;
    const time = Date.parse(row.time) / 1000;
    if (before !== null && usual > 0 && time - before > GAP_TIMES * usual) push(found, (before + time) / 2, null, false);
    push(found, time, value, row.verdict === "bad");
    before = time;
  }
  return found;
}

/** Returns the smallest, the largest and the last value; null when there is none. */
export function extent(values: readonly (number | null)[]): { low: number; high: number; last: number } | null {
  const numbers = values.filter((value): value is number => value !== null);
  if (!numbers.length) return null;
  let low = Infinity;
  let high = -Infinity;
  for (const number of numbers) {
    if (number < low) low = number;
    if (number > high) high = number;
  }
  return { low, high, last: numbers.at(-1)! };
}

function push(found: Columns, time: number, value: number | null, bad: boolean): void {
  found.times.push(time);
  found.values.push(value);
  found.bad.push(bad ? value : null);
}

/** Returns the median step between rows in seconds, 0 for fewer than three rows. */
function usualStep(rows: readonly Row[]): number {
  if (rows.length < 3) return 0;
  const steps: number[] = [];
  for (let row = 1; row < rows.length; row++) steps.push(Date.parse(rows[row]!.time) - Date.parse(rows[row - 1]!.time));
  steps.sort((a, b) => a - b);
  return steps[steps.length >> 1]! / 1000;
}
