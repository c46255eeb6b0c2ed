import { dayText, unitText, words } from "../../parts/format";
import { Panel } from "../../parts/Panel";
import type { PointOf } from "./points";
import styles from "./devices.module.css";

const SHOWN_ABOVE = new Set(["place", "tags", "title"]);
const MEANING: Record<string, string> = {
  SetPoint: "Set point: can be written, takes effect at once",
  Parameter: "Parameter: can be written, kept by the device",
  Status: "Status: what the device says of itself",
  Measure: "Measure: what the device measures",
  Static: "Static: never changes",
};

/** What is known of a point beyond its value. */
export function PointFacts({ point, facts }: { point: PointOf; facts: Record<string, unknown> }) {
  return (
    <Panel title="About this point">
      <dl className={styles.facts}>
        <dt>Kind</dt>
        <dd>
          {MEANING[point.constraint]} ({point.type})
        </dd>
        {Object.entries(facts)
          .filter(([key]) => !SHOWN_ABOVE.has(key))
          .map(([key, value]) => (
            <Fact key={key} name={key} value={value} />
          ))}
        <dt>Address</dt>
        <dd>
          <code>
            {point.address.split("/").map((level, depth) => (
              <span key={depth}>
                {depth > 0 && "/"}
                <wbr />
                {level}
              </span>
            ))}
          </code>
        </dd>
      </dl>
    </Panel>
  );
}

function Fact({ name, value }: { name: string; value: unknown }) {
  return (
    <>
      <dt>{words(name.replace(/_s$/, ""))}</dt>
      <dd>{factText(name, value)}</dd>
    </>
  );
}

/** Returns a value of an overlay as a reader would write it. */
function factText(name: string, value: unknown): string {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return dayText(value);
  if (name.endsWith("_s") && typeof value === "number") return `${value.toLocaleString("en")} seconds`;
  if (name === "unit" || name === "source_unit") return unitText(value) || "a plain number";
  if (Array.isArray(value) && name === "range") return `${value[0] ?? "−∞"} to ${value[1] ?? "∞"}`;
  if (Array.isArray(value)) return value.map(String).join(", ");
  if (value !== null && typeof value === "object") {
    return Object.entries(value)
      .map(([key, inner]) => `${words(key).toLowerCase()} ${factText(key, inner)}`)
      .join(", ");
  }
  return String(value);
}
