import { useSample } from "../../live/stream";
import { ageText, unitText, valueText, words } from "../../parts/format";
import { useNow } from "../../parts/now";
import { nameOf, type PointOf } from "./points";
import styles from "./devices.module.css";

type Props = { points: PointOf[]; chosen: string; onChoose: (address: string) => void };

/** The points of an endpoint under the nodes and objects that hold them. */
export function PointTree({ points, chosen, onChoose }: Props) {
  const groups = Map.groupBy(points, (point) => point.path[0] ?? "");
  return (
    <div className={styles.points}>
      {[...groups].map(([node, members]) => (
        <div key={node} role="group" aria-label={words(node)}>
          <h3 className={styles.group}>{words(node)}</h3>
          <ul>
            {members.map((point) => (
              <li key={point.address}>
                <button
                  type="button"
                  className={styles.point}
                  aria-current={point.address === chosen}
                  onClick={() => onChoose(point.address)}
                >
                  <Line point={point} />
                </button>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </div>
  );
}

function Line({ point }: { point: PointOf }) {
  const sample = useSample(point.address);
  const now = useNow();
  const observed = sample?.observed_at ?? point.found?.observed_at;
  const value = sample ? sample.value : point.found?.value;
  const verdict = sample?.verdict ?? point.found?.verdict;
  const objects = point.path.slice(1).map(words).join(" › ");
  return (
    <>
      <span className={styles.title}>{nameOf(point)}</span>
      <span className={styles.value}>
        {valueText(value)} <small>{unitText(point.found?.unit)}</small>
      </span>
      <span className={styles.sub}>
        <span>{objects}</span>
        {point.constraint !== "Measure" && <span>· {words(point.constraint)}</span>}
        {verdict && verdict !== "good" && <span>· {verdict}</span>}
      </span>
      <span className={styles.age}>{observed ? ageText(observed, now) : "no value yet"}</span>
    </>
  );
}
