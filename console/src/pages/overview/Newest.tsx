import { useQuery } from "@tanstack/react-query";
import { Radio } from "lucide-react";
import { cityPoints } from "../../api/directory";
import { Notice } from "../../parts/controls";
import { Bones, Empty, Panel } from "../../parts/Panel";
import { Hit } from "./Hit";
import styles from "./overview.module.css";

const SHOWN = 10;
const FRESH_MS = 4_000;

/** What was measured last, anywhere in the city. */
export function Newest() {
  const found = useQuery(cityPoints({}, SHOWN, "-observed", FRESH_MS));
  return (
    <Panel title="Just measured" flush>
      {found.error ? (
        <Notice>{found.error.message}</Notice>
      ) : !found.data ? (
        <Bones lines={SHOWN} height={28} />
      ) : found.data.hits.length === 0 ? (
        <Empty Icon={Radio} title="Nothing was measured yet">
          Values appear here as soon as a device sends a first one.
        </Empty>
      ) : (
        <ul className={styles.list}>
          {found.data.hits.map((hit) => (
            <Hit key={hit.address} hit={hit} />
          ))}
        </ul>
      )}
    </Panel>
  );
}
