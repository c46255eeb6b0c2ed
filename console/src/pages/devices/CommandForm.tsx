import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { type FormEvent, useState } from "react";
import { Form } from "react-aria-components/Form";
import type { Asked } from "../../api/_generated/schema";
import { call, Refusal } from "../../api/client";
import { Button, Field, Notice } from "../../parts/controls";
import { momentText, unitText, valueText } from "../../parts/format";
import { Panel } from "../../parts/Panel";
import { Segments } from "../../parts/Segments";
import { Ladder, Rung } from "./Ladder";
import type { PointOf } from "./points";
import styles from "./devices.module.css";

const FOLLOW_MS = 400;
const SHOWN = 6;

/** Asks for a value of a point that can be set, and shows how far each wish has come. */
export function CommandForm({ point, unit, range }: { point: PointOf; unit: string; range: unknown }) {
  const queries = useQueryClient();
  const key = ["commands", point.address];
  const recent = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => call("GET /commands", { query: { address: point.address, limit: SHOWN }, signal }),
    refetchInterval: (query) => (query.state.data?.commands.some((command) => !command.ended) ? FOLLOW_MS : 10_000),
  });
  const wish = useMutation({
    mutationFn: (value: boolean | number | string) =>
      call("PUT /data/{address}", { path: { address: point.address }, body: { value } }),
    onSettled: () => queries.invalidateQueries({ queryKey: key }),
  });
  const commands = recent.data?.commands ?? [];
  const [latest, ...before] = commands;
  return (
    <Panel title={point.constraint === "Parameter" ? "Change this parameter" : "Set this point"}>
      <Wish point={point} unit={unit} range={range} busy={wish.isPending} onWish={wish.mutate} />
      {wish.error && !rejected(wish.error) && <Notice>{wish.error.message}</Notice>}
      {latest && <Ladder command={latest} unit={unit} />}
      {before.length > 0 && (
        <>
          <h3 className={styles.earlier}>Before</h3>
          <ul className={styles.commands}>
            {before.map((command) => (
              <Line key={command.id} command={command} unit={unit} />
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

/** A rejection is a command too and stands in the list with its reason. */
function rejected(error: Error): boolean {
  return error instanceof Refusal && "command" in error.document;
}

function Line({ command, unit }: { command: Asked; unit: string }) {
  return (
    <li>
      <span className="numbers soft">{momentText(command.rungs[0]!.at)}</span>
      <span className="numbers">
        {valueText(command.value)} {unit}
      </span>
      <Rung state={command.state} />
    </li>
  );
}

type WishProps = { point: PointOf; unit: string; range: unknown; busy: boolean; onWish: (value: boolean | number | string) => void };

function Wish({ point, unit, range, busy, onWish }: WishProps) {
  const [on, turn] = useState<"on" | "off">("on");
  const [fault, blame] = useState<string | null>(null);
  const numeric = point.type === "Number" || point.type === "Integer";
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (point.type === "Boolean") return onWish(on === "on");
    const text = String(new FormData(event.currentTarget).get("value") ?? "").trim();
    if (!numeric) return onWish(text);
    const value = Number(text.replace(",", "."));
    const wrong = text === "" || !Number.isFinite(value) || (point.type === "Integer" && !Number.isInteger(value));
    blame(wrong ? `Write ${point.type === "Integer" ? "a whole number" : "a number"}, such as 40` : null);
    return wrong ? undefined : onWish(value);
  };
  return (
    <Form onSubmit={submit} className={styles.wish!} validationBehavior="aria">
      {point.type === "Boolean" ? (
        <Segments label="Value" chosen={on} options={{ on: "On", off: "Off" }} onChoose={turn} />
      ) : (
        <Field
          label={`New value${unit ? ` in ${unit}` : ""}`}
          name="value"
          inputMode={numeric ? "decimal" : "text"}
          isInvalid={fault !== null}
          onChange={() => blame(null)}
          fault={fault}
          hint={limits(range, unit)}
          autoComplete="off"
        />
      )}
      <Button look="primary" type="submit" isPending={busy}>
        <Send size={15} aria-hidden /> Send
      </Button>
    </Form>
  );
}

function limits(range: unknown, unit: string): string | null {
  if (!Array.isArray(range) || range.length !== 2) return null;
  return `${range[0] ?? "−∞"} to ${range[1] ?? "∞"} ${unitText(unit)}`;
}
