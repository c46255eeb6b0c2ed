import { useMutation } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import type { DryRun, WouldDo } from "../../api/_generated/schema";
import { call } from "../../api/client";
import { Button, Notice } from "../../parts/controls";
import { countText, dayText, valueText, words } from "../../parts/format";
import { Bones, Empty, Panel } from "../../parts/Panel";
import { Segments } from "../../parts/Segments";
import { columns } from "../../parts/series";
import table from "../../parts/table.module.css";
import styles from "./mashups.module.css";

const Chart = lazy(() => import("../../parts/Chart").then((module) => ({ default: module.Chart })));

type Days = "1" | "3" | "7";
const DAY_MS = 86_400_000;
const ROWS_SHOWN = 100;

/** Runs the draft over the last days with recorders in place of commands, and shows what came of it. */
export function DryRunPanel({ uuid, ready }: { uuid: string; ready: boolean }) {
  const [days, choose] = useState<Days>("3");
  const trial = useMutation({
    mutationFn: async () => {
      const to = Date.now();
      const from = to - Number(days) * DAY_MS;
      const body = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
      return { found: await call("POST /mashups/{uuid}/dry-run", { path: { uuid }, body }), from: from / 1000, to: to / 1000 };
    },
  });
  return (
    <Panel title="Try it on the last days">
      <div className={styles.actions}>
        <Segments label="Days" chosen={days} options={{ "1": "1 day", "3": "3 days", "7": "7 days" }} onChoose={choose} />
        <Button isDisabled={!ready} isPending={trial.isPending} onPress={() => trial.mutate()}>
          <FlaskConical size={15} aria-hidden /> Try it
        </Button>
      </div>
      {trial.error ? (
        <Notice>{trial.error.message}</Notice>
      ) : trial.isPending ? (
        <Bones lines={5} />
      ) : trial.data ? (
        <Result {...trial.data} />
      ) : (
        <Empty Icon={FlaskConical} title="See what it would have done">
          The same steps run over what history holds. Nothing is recorded, raised or sent.
        </Empty>
      )}
    </Panel>
  );
}

function Result({ found, from, to }: { found: DryRun; from: number; to: number }) {
  return (
    <div role="status">
      <p className={styles.output}>
        Looked at <strong className="numbers">{countText(found.read)}</strong> values.
        {found.missing.length > 0 && ` ${countText(found.missing.length)} points had none in that time.`}
      </p>
      {found.outputs.map((output) => (
        <Output key={output.node} output={output} from={from} to={to} />
      ))}
    </div>
  );
}

function Output({ output, from, to }: { output: WouldDo; from: number; to: number }) {
  const first = output.values[0]?.key;
  const numeric = typeof output.values[0]?.value === "number";
  const data = useMemo(
    () => columns(output.values.filter((one) => one.key === first).map((one) => ({ time: one.at, value: one.value }))),
    [output.values, first],
  );
  const title = said(output);
  return (
    <section className={styles.output} aria-label={title}>
      <h3>{title}</h3>
      {output.values.length === 0 ? (
        <p className="soft small">Nothing in that time.</p>
      ) : numeric && output.type === "virtual-point" ? (
        <Suspense fallback={<Bones lines={1} height={260} />}>
          <Chart data={data} label={title} unit="" from={from} to={to} />
        </Suspense>
      ) : (
        <div className={styles.events} tabIndex={0} role="region" aria-label={`${title}: each time`}>
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Value</th>
                <th scope="col">For</th>
              </tr>
            </thead>
            <tbody>
              {output.values.slice(0, ROWS_SHOWN).map((one) => (
                <tr key={`${one.key} ${one.at}`}>
                  <td className="numbers">{dayText(one.at)}</td>
                  <td>{valueText(one.value)}</td>
                  <td className={table.quiet}>{one.key.split("/").slice(1).join(" › ") || one.key}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function said(output: WouldDo): string {
  if (output.type === "alarm") return `Would have raised ${countText(output.raised ?? 0)} alarm${output.raised === 1 ? "" : "s"}`;
  if (output.type === "command") return `Would have sent ${countText(output.events)} command${output.events === 1 ? "" : "s"}`;
  if (output.type === "virtual-point") return `Would have recorded ${countText(output.events)} value${output.events === 1 ? "" : "s"}`;
  return `${words(output.type)}: ${countText(output.events)} times`;
}
