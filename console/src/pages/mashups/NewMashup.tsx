import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Form } from "react-aria-components/Form";
import { useNavigate, useParams } from "react-router";
import { call } from "../../api/client";
import { mashups, templates } from "../../api/mashups";
import { Button, Field, Notice } from "../../parts/controls";
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
      <Panel title="Fill in the blanks">
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
  const making = useMutation({
    mutationFn: async () => {
      const told = filled(blanks, given);
      const document = await call("POST /mashups/templates/{template}", { path: { template }, body: told });
      return call("POST /mashups", { body: { ...document } });
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
  return (
    <Form className={styles.form!} onSubmit={submit}>
      {blanks.map((blank) =>
        blank.kind === "filter" ? (
          <FilterField key={blank.name} label={blank.label} onChange={set(blank.name)} />
        ) : blank.kind === "points" ? (
          <TargetsField key={blank.name} label={blank.label} chosen={(given[blank.name] as string[]) || []} onChange={set(blank.name)} />
        ) : (
          <Field
            key={blank.name}
            label={blank.label}
            name={blank.name}
            hint={blank.hint}
            isRequired={blank.required}
            value={String(given[blank.name] ?? "")}
            onChange={set(blank.name)}
            inputMode={blank.kind === "number" ? "decimal" : "text"}
            type={blank.kind === "clock" ? "time" : "text"}
            autoComplete="off"
          />
        ),
      )}
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
