import { ChevronLeft, type LucideIcon } from "lucide-react";
import { type ReactNode, useId } from "react";
import { Link } from "react-router";
import styles from "./panel.module.css";

type PanelProps = { title: string; aside?: ReactNode; flush?: boolean; className?: string | undefined; children: ReactNode };

/** A part of a page with a heading. Flush: its content reaches the edges, as a table does. */
export function Panel({ title, aside, flush = false, className = "", children }: PanelProps) {
  const id = useId();
  return (
    <section className={`${styles.panel} ${className}`} aria-labelledby={id}>
      <div className={styles.head}>
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      <div className={flush ? styles.flush : styles.body}>{children}</div>
    </section>
  );
}

type HeadProps = { title: string; children?: ReactNode; back?: { to: string; label: string }; aside?: ReactNode };

/** The top of a page. */
export function PageHead({ title, children, back, aside }: HeadProps) {
  return (
    <div className={styles.page}>
      <div>
        {back && (
          <Link to={back.to} className={styles.crumb}>
            <ChevronLeft size={14} aria-hidden />
            {back.label}
          </Link>
        )}
        <h1>{title}</h1>
        {children && <div className="soft">{children}</div>}
      </div>
      {aside}
    </div>
  );
}

export type Tone = "plain" | "good" | "warn" | "bad" | "note";

/** A state: always an icon and a word, never a colour alone. */
export function Badge({ tone = "plain", Icon, children }: { tone?: Tone; Icon: LucideIcon; children: ReactNode }) {
  return (
    <span className={styles.badge} data-tone={tone}>
      <Icon size={13} aria-hidden />
      {children}
    </span>
  );
}

/** Stands where there is nothing yet, and says how something comes there. */
export function Empty({ Icon, title, children }: { Icon: LucideIcon; title: string; children: ReactNode }) {
  return (
    <div className={styles.empty}>
      <span className={styles.icon}>
        <Icon size={22} aria-hidden />
      </span>
      <p className={styles.title}>{title}</p>
      <p>{children}</p>
    </div>
  );
}

/** The shape of what is being fetched. */
export function Bones({ lines = 4, height = 20 }: { lines?: number; height?: number }) {
  return (
    <div className={styles.bones} role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} className={styles.bone} style={{ height, width: `${100 - ((line * 13) % 30)}%` }} />
      ))}
    </div>
  );
}
