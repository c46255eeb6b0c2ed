import type { ReactNode } from "react";
import { Link } from "react-router";
import type { PointHit } from "../../api/_generated/schema";
import { ageText, unitText, valueText, words } from "../../parts/format";
import { useNow } from "../../parts/now";
import styles from "./overview.module.css";

/** One point with its newest value, on one line of a list. */
export function Hit({ hit, children }: { hit: PointHit; children?: ReactNode }) {
  const now = useNow();
  const [uuid, ...levels] = hit.address!.split("/");
  return (
    <li>
      <Link className={styles.item} to={`/devices/${uuid}?point=${encodeURIComponent(hit.address!)}`}>
        <span className={styles.title}>{hit.friendlyName}</span>
        <span className={styles.value}>
          {valueText(hit.value)} <small>{unitText(hit.unit)}</small>
        </span>
        <span className={styles.sub}>{children ?? words(hit.quantity ?? levels.at(-1)!)}</span>
        <span className={styles.age}>{hit.observed_at ? ageText(hit.observed_at, now) : ""}</span>
      </Link>
    </li>
  );
}
