import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BellOff, BellRing, Eye } from "lucide-react";
import { Link } from "react-router";
import type { AlarmEntry } from "../../api/_generated/schema";
import { openAlarms } from "../../api/alarms";
import { call } from "../../api/client";
import { Button, Notice } from "../../parts/controls";
import { ageText, words } from "../../parts/format";
import { useNow } from "../../parts/now";
import { Badge, Bones, Empty, Panel, type Tone } from "../../parts/Panel";
import styles from "./overview.module.css";

const TONES: Record<AlarmEntry["severity"], Tone> = { critical: "bad", major: "bad", minor: "warn", warning: "warn" };
const SHOWN = 8;

/** What is not as it should be, and who has seen it. */
export function Alarms() {
  const found = useQuery(openAlarms);
  return (
    <Panel title="Open alarms" flush>
      {found.error ? (
        <Notice>{found.error.message}</Notice>
      ) : !found.data ? (
        <Bones lines={2} height={28} />
      ) : found.data.alarms.length === 0 ? (
        <Empty Icon={BellOff} title="No alarm stands">
          A mashup raises one when something lasts that should not. <Link to="/mashups">See mashups</Link>
        </Empty>
      ) : (
        <ul className={styles.list}>
          {found.data.alarms.slice(0, SHOWN).map((alarm) => (
            <Alarm key={alarm.id} alarm={alarm} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Alarm({ alarm }: { alarm: AlarmEntry }) {
  const now = useNow();
  const queries = useQueryClient();
  const seen = useMutation({
    mutationFn: () => call("POST /alarms/{id}/acknowledge", { path: { id: alarm.id }, body: { comment: "" } }),
    onSettled: () => queries.invalidateQueries({ queryKey: openAlarms.queryKey }),
  });
  const uuid = alarm.address.split("/")[0];
  return (
    <li className={styles.alarm}>
      <div>
        <Link to={`/devices/${uuid}?point=${encodeURIComponent(alarm.address)}`} className={styles.title}>
          {alarm.text}
        </Link>
        <span className={styles.sub}>
          <Badge tone={TONES[alarm.severity]} Icon={BellRing}>
            {words(alarm.severity)}
          </Badge>{" "}
          {alarm.raised_at && ageText(alarm.raised_at, now)}
          {alarm.acknowledged_by && `, seen by ${alarm.acknowledged_by}`}
        </span>
        {seen.error && <Notice>{seen.error.message}</Notice>}
      </div>
      {alarm.state === "raised" && (
        <Button isPending={seen.isPending} onPress={() => seen.mutate()} aria-label={`I have seen it: ${alarm.text}`}>
          <Eye size={15} aria-hidden /> Seen
        </Button>
      )}
    </li>
  );
}
