import { useQuery } from "@tanstack/react-query";
import { CircleCheck, TriangleAlert } from "lucide-react";
import { call } from "../../api/client";
import { countText, words } from "../../parts/format";
import { Badge, Bones, Panel } from "../../parts/Panel";
import styles from "./overview.module.css";

/** How the platform itself does; for administrators. */
export function Platform() {
  const status = useQuery({
    queryKey: ["status"],
    queryFn: ({ signal }) => call("GET /status", { signal }),
    refetchInterval: 5_000,
  });
  const roles = useQuery({
    queryKey: ["dependability", "role"],
    queryFn: ({ signal }) => call("GET /dependability", { query: { kind: "role" }, signal }),
    refetchInterval: 5_000,
  });
  const found = status.data;
  const full = found?.disk_full === true;
  return (
    <Panel
      title="Platform"
      aside={
        found && (
          <Badge tone={full ? "bad" : "good"} Icon={full ? TriangleAlert : CircleCheck}>
            {full ? "The disk is full" : "At work"}
          </Badge>
        )
      }
    >
      {!found ? (
        <Bones lines={4} height={14} />
      ) : (
        <>
        <ul className={styles.roles} aria-label="Roles">
          {roles.data?.resources.map((role) => (
            <li key={role.resource}>
              <Badge tone={role.state === "up" ? "good" : role.state === "down" ? "bad" : "warn"} Icon={role.state === "up" ? CircleCheck : TriangleAlert}>
                {words(role.title)} {role.state}
              </Badge>
            </li>
          ))}
        </ul>
        <dl className={styles.facts}>
          <dt>Samples stored</dt>
          <dd>{countText(found.samples)}</dd>
          <dt>Messages waiting to be stored</dt>
          <dd>{countText(found.backlog)}</dd>
          <dt>Set aside as unusable</dt>
          <dd>{countText(found.aside)}</dd>
          <dt>Refused at the door</dt>
          <dd>{countText(Object.values(found.refusals).reduce((sum, count) => sum + count, 0))}</dd>
        </dl>
        </>
      )}
    </Panel>
  );
}
