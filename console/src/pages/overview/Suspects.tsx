import { useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleCheck } from "lucide-react";
import { useEffect } from "react";
import { points } from "../../api/directory";
import { feed } from "../../live/stream";
import { words } from "../../parts/format";
import { Bones, Empty, Panel } from "../../parts/Panel";
import { Hit } from "./Hit";
import styles from "./overview.module.css";

const SHOWN = 6;
const SUSPECTS = points({ verdict: ["bad"], sort: "-observed" }, SHOWN);

/** Points whose newest value was judged bad; asked again as soon as the live feed tells of one more. */
export function Suspects() {
  const queries = useQueryClient();
  const found = useQuery(SUSPECTS);
  useEffect(() => feed.each(() => void queries.invalidateQueries({ queryKey: SUSPECTS.queryKey })), [queries]);
  return (
    <Panel title="Values judged bad" flush>
      {!found.data ? (
        <Bones lines={3} height={28} />
      ) : found.data.hits.length === 0 ? (
        <Empty Icon={CircleCheck} title="None at this moment">
          A value out of its range, of the wrong type or impossible stands here. It is kept as it came.
        </Empty>
      ) : (
        <ul className={styles.list}>
          {found.data.hits.map((hit) => (
            <Hit key={hit.address} hit={hit}>
              {words(hit.reason ?? "bad")}
            </Hit>
          ))}
        </ul>
      )}
    </Panel>
  );
}
