import { useQuery } from "@tanstack/react-query";
import { points } from "../../api/directory";
import { words } from "../../parts/format";
import styles from "./mashups.module.css";

const OFFERED = 200;

type Props = { label: string; chosen: string[]; onChange: (addresses: string[]) => void };

/** Chooses among the points that one may set. */
export function TargetsField({ label, chosen, onChange }: Props) {
  const found = useQuery(points({ constraint: ["SetPoint", "Parameter"], permission: "WRITE", sort: "name" }, OFFERED, 60_000));
  const toggle = (address: string, wanted: boolean) =>
    onChange(wanted ? [...chosen, address] : chosen.filter((one) => one !== address));
  return (
    <fieldset className={styles.field}>
      <legend>{label}</legend>
      {found.data?.hits.length === 0 ? (
        <p className="soft small">There is no point that you may set. Ask for the level WRITE on the lights.</p>
      ) : (
        <div className={styles.checks}>
          {found.data?.hits.map((hit) => (
            <label key={hit.address}>
              <input type="checkbox" checked={chosen.includes(hit.address!)} onChange={(event) => toggle(hit.address!, event.target.checked)} />
              {hit.friendlyName}
              <span className="soft small">{words(hit.address!.split("/").at(-1)!)}</span>
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
}
