import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { Form } from "react-aria-components/Form";
import { useNavigate, useParams } from "react-router";
import { call } from "../../api/client";
import { mashups, templates } from "../../api/mashups";
import { projects } from "../../api/projects";
import { Button, Field, Notice } from "../../parts/controls";
import { words } from "../../parts/format";
import { Bones, PageHead, Panel } from "../../parts/Panel";
import { useTitle } from "../../parts/title";
import { type Blank, blanksOf, filled } from "./blanks";
import { FilterField } from "./FilterField";
import { TargetsField } from "./TargetsField";
import styles from "./mashups.module.css";

/** The form of one template; what is filled in becomes a draft, which is shown next. */
export function Component() {
  const name = useParams()["template"]!;
  const form = useQuery({ ...templates, select: (all) => all.find((one) => one.template === name) });
  useTitle(form.data?.title ?? "New mashup");
  if (form.error) return <Notice>{form.error.message}</Notice>;
  if (form.isSuccess && !form.data) return <Notice>There is no such template.</Notice>;
  if (!form.data) return <Bones lines={6} />;
  return (
    <>
      <PageHead title={form.data.title} back={{ to: "/mashups", label: "Mashups" }}>
        <p>{form.data.about}</p>
      </PageHead>
      <Panel title="Fill in the blanks" className={styles.narrow}>
        <Blanks key={name} template={name} title={form.data.title} blanks={blanksOf(form.data.params)} />
      </Panel>
    </>
  );
}

function Blanks({ template, title, blanks }: { template: string; title: string; blanks: Blank[] }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [given, give] = useState<Record<string, unknown>>(() => ({
    ...Object.fromEntries(blanks.map((blank) => [blank.name, blank.initial])),
    name: title,
  }));
  const owners = useQuery(projects).data ?? [];
  const [chosen, choose] = useState("");
  const project = chosen || owners[0];
  const making = useMutation({
    mutationFn: async () => {
      const told = filled(blanks, given);
      const document = await call("POST /mashups/templates/{template}", { path: { template }, body: told });
      return call("POST /mashups", { query: { project: project ?? null }, body: { ...document } });
    },
    onSuccess: async (made) => {
      await queries.invalidateQueries({ queryKey: mashups.queryKey });
      await navigate(`/mashups/${made.uuid}`);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  const set = (name: string) => (value: unknown) => give((before) => ({ ...before, [name]: value }));
  const field = (blank: Blank) => (
    <BlankField key={blank.name} blank={blank} value={given[blank.name]} onChange={set(blank.name)} />
  );
  return (
    <Form className={styles.form!} onSubmit={submit}>
      {blanks.filter((blank) => blank.required).map(field)}
      {owners.length > 1 && <Choice label="Project" value={project ?? ""} choices={owners} onChange={choose} />}
      <details className={styles.more}>
        <summary>More settings, filled in already</summary>
        <div className={styles.pair}>{blanks.filter((blank) => !blank.required).map(field)}</div>
      </details>
      {making.error && <Notice>{making.error.message}</Notice>}
      <div className={styles.actions}>
        <Button look="primary" type="submit" isPending={making.isPending}>
          Make a draft and look at it
        </Button>
        <span className="soft small">Nothing runs yet.</span>
      </div>
    </Form>
  );
}

function BlankField({ blank, value, onChange }: { blank: Blank; value: unknown; onChange: (value: unknown) => void }) {
  if (blank.kind === "filter") return <FilterField label={blank.label} onChange={onChange} />;
  if (blank.kind === "points") return <TargetsField label={blank.label} chosen={(value as string[]) || []} onChange={onChange} />;
  if (blank.kind === "choice") return <Choice label={blank.label} value={String(value)} choices={blank.choices} onChange={onChange} />;
  return (
    <Field
      label={blank.label}
      name={blank.name}
      hint={blank.hint}
      isRequired={blank.required}
      value={String(value ?? "")}
      onChange={onChange}
      inputMode={blank.kind === "number" ? "decimal" : "text"}
      type={blank.kind === "clock" ? "time" : "text"}
      autoComplete="off"
    />
  );
}

type ChoiceProps = { label: string; value: string; choices: readonly string[]; onChange: (choice: string) => void };

function Choice({ label, value, choices, onChange }: ChoiceProps) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      <select id={id} className={styles.select} value={value} onChange={(event) => onChange(event.target.value)}>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {words(choice)}
          </option>
        ))}
      </select>
    </div>
  );
}
