import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { points } from "../../api/directory";
import { Field } from "../../parts/controls";
import { countText, unitText, valueText, words } from "../../parts/format";
import styles from "./mashups.module.css";

const LOOKED_AT = 1_000;
const SHOWN = 4;

type Chosen = { quantity?: string[]; text?: string[] };

/** Chooses points by what they measure and by words, and shows at once which these are. */
export function FilterField({ label, onChange }: { label: string; onChange: (filter: Chosen) => void }) {
  const id = useId();
  const [chosen, choose] = useState<Chosen>({});
  const known = useQuery(points({ constraint: ["Measure", "Status"] }, LOOKED_AT, 60_000));
  const quantities = [...new Set(known.data?.hits.flatMap((hit) => hit.quantity ?? []))].sort();
  const set = (change: Chosen) => {
    const next = { ...chosen, ...change };
    for (const key of ["quantity", "text"] as const) if (!next[key]?.[0]) delete next[key];
    choose(next);
    onChange(next);
  };
  return (
    <fieldset className={styles.field}>
      <legend>{label}</legend>
      <div className={styles.pair}>
        <div className={styles.field}>
          <label htmlFor={id}>What they measure</label>
          <select id={id} className={styles.select} value={chosen.quantity?.[0] ?? ""} onChange={(event) => set({ quantity: [event.target.value] })}>
            <option value="">Choose …</option>
            {quantities.map((quantity) => (
              <option key={quantity} value={quantity}>
                {words(quantity)}
              </option>
            ))}
          </select>
        </div>
        <Field label="Words, such as a street" value={chosen.text?.[0] ?? ""} onChange={(text) => set({ text: [text] })} />
      </div>
      {(chosen.quantity ?? chosen.text) && <Preview filter={chosen} />}
    </fieldset>
  );
}

function Preview({ filter }: { filter: Chosen }) {
  const found = useQuery(points({ ...filter, sort: "name" }, SHOWN));
  if (!found.data) return null;
  const { count, hits } = found.data;
  return (
    <div className={styles.preview} role="status">
      {count === 0 ? "No point fits." : `${countText(count)} point${count === 1 ? " fits" : "s fit"}, now:`}
      <ul>
        {hits.map((hit) => (
          <li key={hit.address}>
            {hit.friendlyName}: {valueText(hit.value)} {unitText(hit.unit)}
          </li>
        ))}
        {count > hits.length && <li>and {countText(count - hits.length)} more</li>}
      </ul>
    </div>
  );
}
