/** How values, times and names are written, the same on every page. */
export type Value = boolean | number | string | null | undefined;

const NAMED: Record<string, string> = {
  degC: "°C", degF: "°F", Cel: "°C", "ug/m3": "µg/m³", "ug/m**3": "µg/m³", "m3/h": "m³/h", "m**3/h": "m³/h", "m3": "m³", "1": "", "%": "%",
  kWh: "kWh", degree: "°", deg: "°",
};

/** Returns a unit as people write it: counted things without their braces. */
export function unitText(unit: unknown): string {
  if (typeof unit !== "string") return "";
  return NAMED[unit] ?? unit.replace(/[{}]/g, "").replace(/\*\*3|(?<=m)3\b/g, "³").replace(/\*\*2|(?<=m)2\b/g, "²").replace(/^ug/, "µg").replace(/\bdegC\b/, "°C");
}

/** Returns a number with as many digits as it deserves. */
export function numberText(value: number, precision?: unknown): string {
  if (typeof precision === "number") {
    return value.toLocaleString("en", { minimumFractionDigits: precision, maximumFractionDigits: precision });
  }
  const size = Math.abs(value);
  const digits = Number.isInteger(value) ? 0 : size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function valueText(value: Value, precision?: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "number" ? numberText(value, precision) : value;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** Returns a moment in the reader's own time zone; the day too when it is not today. */
export function momentText(moment: string | number | Date): string {
  const date = new Date(moment);
  return date.toDateString() === new Date().toDateString() ? CLOCK.format(date) : DAY.format(date);
}

const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

/** Returns a moment with its day and year. */
export function dayText(moment: string | number | Date): string {
  return DATE.format(new Date(moment));
}

/** Returns how long ago a moment was: "just now", "12 s ago", "4 min ago", "3 h ago", "9 d ago". */
export function ageText(moment: string | number, now: number): string {
  const seconds = Math.max(0, Math.round((now - new Date(moment).getTime()) / 1000));
  if (seconds < 2) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** Returns a technical name as words: `persons_inPerHour` → "Persons in per hour". */
export function words(name: string): string {
  const text = name
    .replace(/[_-]+/g, " ")
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
    .trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function countText(count: number): string {
  return count.toLocaleString("en");
}
