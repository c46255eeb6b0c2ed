import type { FormEvent, ReactNode } from "react";
import { Form } from "react-aria-components/Form";
import { Mark } from "../../parts/Mark";
import { Button, Notice } from "../../parts/controls";
import styles from "./entry.module.css";

type Props = {
  title: string;
  intro: ReactNode;
  action: string;
  busy: boolean;
  fault: string | null;
  onSubmit: (given: Record<string, string>) => void;
  children: ReactNode;
};

/** The frame of sign-in and set-up. */
export function Door({ title, intro, action, busy, fault, onSubmit, children }: Props) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.currentTarget));
    onSubmit(given as Record<string, string>);
  };
  return (
    <main className={styles.door}>
      <div className={styles.card}>
        <div className={styles.head}>
          <Mark size={36} />
          <span className={styles.brand}>Borough</span>
        </div>
        <h1>{title}</h1>
        <p className="soft">{intro}</p>
        <Form onSubmit={submit} className={styles.form!}>
          {fault && <Notice>{fault}</Notice>}
          {children}
          <Button look="primary" type="submit" isPending={busy}>
            {busy ? "One moment …" : action}
          </Button>
        </Form>
      </div>
      <p className={`${styles.foot} small soft`}>An open city platform. Nothing on this page leaves this server.</p>
    </main>
  );
}
