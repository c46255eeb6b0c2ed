import { words } from "../../parts/format";

/** One blank of a template, as its JSON Schema tells. */
export type Blank = {
  name: string;
  kind: "text" | "number" | "clock" | "choice" | "filter" | "points";
  label: string;
  hint: string | null;
  required: boolean;
  initial: string;
  /** What there is to choose from; for a choice alone. */
  choices: readonly string[];
};

type Schema = { type?: string; title?: string; description?: string; default?: unknown; pattern?: string; anyOf?: Schema[] };

const LABELS: Record<string, string> = {
  windowS: "Looking back, in seconds",
  function: "Brought together as",
  title: "Title of the new point",
  severity: "Severity",
  bright: "Bright is",
  dim: "Dim is",
  from: "From",
  to: "Until",
  points: "Points to look at",
  lights: "Lights to set",
  timeZone: "Time zone",
  limit: "Limit",
  clear: "Over when back at",
  text: "Text of the alarm",
  many: "Bright from so many",
  few: "Dim again at so few",
  full: "What counts as 100 %",
};

const CHOICES: Record<string, readonly string[]> = {
  severity: ["warning", "minor", "major", "critical"],
  function: ["mean", "sum", "max", "min", "count"],
};

/** Returns the blanks of a form in the order of its schema. */
export function blanksOf(schema: Record<string, unknown>): Blank[] {
  const required = new Set((schema["required"] as string[] | undefined) ?? []);
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  return Object.entries(properties).map(([name, one]) => ({
    name,
    kind: kindOf(name, one),
    label: LABELS[name] ?? label(name),
    hint: name === "points" || name === "name" ? null : (one.description ?? null),
    required: required.has(name),
    choices: CHOICES[name] ?? [],
    initial: name === "timeZone" ? zone() : one.default === undefined || one.default === null ? "" : String(one.default),
  }));
}

/** Returns what the platform is told: numbers as numbers, empty blanks left out. */
export function filled(blanks: readonly Blank[], given: Record<string, unknown>): Record<string, unknown> {
  const told: Record<string, unknown> = {};
  for (const blank of blanks) {
    const value = given[blank.name];
    if (value === undefined || value === "" || value === null) continue;
    told[blank.name] = blank.kind === "number" ? Number(String(value).replace(",", ".")) : value;
  }
  return told;
}

function kindOf(name: string, schema: Schema): Blank["kind"] {
  const type = schema.type ?? schema.anyOf?.find((one) => one.type !== "null")?.type;
  if (type === "object") return "filter";
  if (type === "array") return "points";
  if (type === "number" || type === "integer") return "number";
  if (CHOICES[name]) return "choice";
  return name === "from" || name === "to" ? "clock" : "text";
}

function label(name: string): string {
  return words(name);
}

function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
