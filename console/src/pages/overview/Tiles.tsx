import { useQueries, useQuery } from "@tanstack/react-query";
import { Activity, BellRing, Cpu, ShieldCheck } from "lucide-react";
import { Link } from "react-router";
import { openAlarms } from "../../api/alarms";
import { cityPoints, endpointCount } from "../../api/directory";
import { countText } from "../../parts/format";
import { VERDICTS, Verdict } from "../../parts/Verdict";
import styles from "./overview.module.css";

/** The figures that tell at a glance how the city is. */
export function Tiles() {
  return (
    <div className={styles.tiles}>
      <Devices />
      <Alarms />
      <Points />
      <Quality />
    </div>
  );
}

function Devices() {
  const all = useQuery(endpointCount({}));
  const offline = useQuery(endpointCount({ state: ["offline"] }));
  const known = all.data !== undefined && offline.data !== undefined;
  return (
    <Link to={offline.data ? "/devices?state=offline" : "/devices"} className={styles.tile}>
      <span className={styles.label}>
        <Cpu size={15} aria-hidden /> Devices online
      </span>
      <span className={styles.figure}>
        {known ? countText(all.data - offline.data) : "–"} {known && <small>of {countText(all.data)}</small>}
      </span>
      <span className={styles.note}>{!known ? " " : offline.data ? `${countText(offline.data)} not connected: see which` : "All are connected"}</span>
    </Link>
  );
}

function Points() {
  const all = useQuery(cityPoints({}, 1));
  const silent = useQuery(cityPoints({ silent: 3_600 }, 1));
  return (
    <div className={`${styles.tile} ${styles.last}`}>
      <span className={styles.label}>
        <Activity size={15} aria-hidden /> Data points
      </span>
      <span className={styles.figure}>{all.data ? countText(all.data.count) : "–"}</span>
      <span className={styles.note}>
        {!silent.data ? " " : silent.data.count ? `${countText(silent.data.count)} silent for an hour or more` : "All told something within the hour"}
      </span>
    </div>
  );
}

function Alarms() {
  const found = useQuery(openAlarms);
  const alarms = found.data?.alarms;
  const unseen = alarms?.filter((alarm) => alarm.state === "raised").length ?? 0;
  return (
    <div className={styles.tile}>
      <span className={styles.label}>
        <BellRing size={15} aria-hidden /> Open alarms
      </span>
      <span className={styles.figure}>{alarms ? `${countText(alarms.length)}${found.data?.before ? "+" : ""}` : "–"}</span>
      <span className={styles.note}>{!alarms ? " " : unseen ? `${countText(unseen)} not yet seen by anybody` : alarms.length ? "All seen" : "All is quiet"}</span>
    </div>
  );
}

function Quality() {
  const found = useQueries({ queries: VERDICTS.map((verdict) => cityPoints({ verdict: [verdict] }, 1)) });
  const counts = found.map((one) => one.data?.count ?? 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const share = (count: number) => (total ? Math.round((count / total) * 1000) / 10 : 0);
  return (
    <div className={`${styles.tile} ${styles.broad}`}>
      <span className={styles.label}>
        <ShieldCheck size={15} aria-hidden /> Quality of the newest values
      </span>
      <span className={styles.bar} aria-hidden>
        {VERDICTS.map((verdict, row) => (counts[row] ? <span key={verdict} data-verdict={verdict} style={{ flexGrow: counts[row]! }} /> : null))}
      </span>
      <ul className={styles.legend}>
        {VERDICTS.map((verdict, row) => (
          <li key={verdict} className={styles.share}>
            <Verdict verdict={verdict} />
            <span className="numbers">
              {countText(counts[row]!)} <span className="soft">({share(counts[row]!)} %)</span>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
