import { CircleCheck, Hourglass, TriangleAlert } from "lucide-react";
import type { Operations } from "../../api/_generated/schema";
import { countText, momentText } from "../../parts/format";
import { Notice } from "../../parts/controls";
import { Badge, Panel } from "../../parts/Panel";
import styles from "./mashups.module.css";

type Status = Operations["GET /mashups/{uuid}/status"]["answer"];

/** How a published mashup is doing. */
export function StatusPanel({ status }: { status: Status }) {
  const rested = Object.entries(status.paused);
  return (
    <Panel title="How it is doing" aside={<Pulse status={status} />}>
      {status.last_error && <Notice>{status.last_error}</Notice>}
      {rested.map(([node, why]) => (
        <Notice key={node}>
          The step {node} rests: {why}
        </Notice>
      ))}
      <dl className={styles.facts}>
        <dt>Outputs</dt>
        <dd>{countText(status.outputs)}</dd>
        <dt>Values that came too late</dt>
        <dd>{countText(status.late)}</dd>
        <dt>Values left out</dt>
        <dd>{countText(status.dropped)}</dd>
        {status.since && (
          <>
            <dt>Running since</dt>
            <dd>{momentText(status.since)}</dd>
          </>
        )}
      </dl>
    </Panel>
  );
}

function Pulse({ status }: { status: Status }) {
  if (status.last_error)
    return (
      <Badge tone="bad" Icon={TriangleAlert}>
        In trouble
      </Badge>
    );
  if (status.running)
    return (
      <Badge tone="good" Icon={CircleCheck}>
        At work
      </Badge>
    );
  return <Badge Icon={Hourglass}>{status.state === "paused" ? "At rest" : "Starting"}</Badge>;
}
