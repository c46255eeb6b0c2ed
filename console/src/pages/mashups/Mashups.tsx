import { useQuery } from "@tanstack/react-query";
import { ArrowRight, Workflow } from "lucide-react";
import { Link } from "react-router";
import { mashups, templates } from "../../api/mashups";
import { Notice } from "../../parts/controls";
import { dayText } from "../../parts/format";
import { Bones, Empty, PageHead, Panel } from "../../parts/Panel";
import { useTitle } from "../../parts/title";
import { MashupState } from "./State";
import table from "../../parts/table.module.css";
import styles from "./mashups.module.css";

/** The mashups there are, and the templates to make one from. */
export function Component() {
  useTitle("Mashups");
  const found = useQuery(mashups);
  const forms = useQuery(templates);
  return (
    <>
      <PageHead title="Mashups">
        <p>New data, alarms and commands, made from the data that the city has.</p>
      </PageHead>
      {(found.error ?? forms.error) && <Notice>{(found.error ?? forms.error)!.message}</Notice>}
      <Panel title="Yours" flush>
        {!found.data ? (
          found.error ? null : <Bones lines={4} />
        ) : found.data.length === 0 ? (
          <Empty Icon={Workflow} title="No mashup yet">
            Choose a template below, fill in a few blanks, try it on the last days, and let it run.
          </Empty>
        ) : (
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">State</th>
                <th scope="col" className={table.wide}>
                  Version
                </th>
                <th scope="col" className={table.wide}>
                  Made
                </th>
              </tr>
            </thead>
            <tbody>
              {found.data.map((one) => (
                <tr key={one.uuid}>
                  <td>
                    <Link className={table.link} to={`/mashups/${one.uuid}`}>
                      {one.name}
                    </Link>
                  </td>
                  <td>
                    <MashupState state={one.state} />
                  </td>
                  <td className={`${table.quiet} ${table.wide} numbers`}>{one.version ?? "–"}</td>
                  <td className={`${table.quiet} ${table.wide}`}>{dayText(one.created_at)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
      <h2 className={styles.section}>Begin with a template</h2>
      <div className={styles.cards}>
        {forms.data?.map((form) => (
          <Link key={form.template} to={`/mashups/new/${form.template}`} className={styles.card}>
            <h3>{form.title}</h3>
            <p>{form.about}</p>
            <span className={styles.use}>
              Use this template <ArrowRight size={13} aria-hidden />
            </span>
          </Link>
        ))}
      </div>
    </>
  );
}
