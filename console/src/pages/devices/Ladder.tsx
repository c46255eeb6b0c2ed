import { CircleCheck, CircleDashed, CircleHelp, CircleX, Clock, Layers, type LucideIcon } from "lucide-react";
import type { Asked } from "../../api/_generated/schema";
import { momentText, valueText, words } from "../../parts/format";
import { Badge, type Tone } from "../../parts/Panel";
import styles from "./devices.module.css";

const CLIMB = ["requested", "authorised", "queued", "sent", "accepted", "verified"] as const;
const MEANING: Record<string, string> = {
  requested: "Recorded with who asked for it",
  authorised: "Rights, limits and interlock allow it",
  queued: "In line for the device",
  sent: "Handed to the device",
  accepted: "The device says that it did it",
  verified: "Read back: the value holds",
  rejected: "Refused",
  unknown: "Sent, and nobody can say what became of it",
  expired: "Not sent in time, and given up",
  superseded: "A later command took its place",
};
const ENDS: Record<string, { tone: Tone; Icon: LucideIcon }> = {
  verified: { tone: "good", Icon: CircleCheck },
  accepted: { tone: "good", Icon: CircleCheck },
  rejected: { tone: "bad", Icon: CircleX },
  unknown: { tone: "warn", Icon: CircleHelp },
  expired: { tone: "warn", Icon: Clock },
  superseded: { tone: "plain", Icon: Layers },
};

/** How far a command has come, as a badge. */
export function Rung({ state }: { state: string }) {
  const { tone, Icon } = ENDS[state] ?? { tone: "note" as const, Icon: CircleDashed };
  return (
    <Badge tone={tone} Icon={Icon}>
      {words(state)}
    </Badge>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Every rung of one command: those reached with their time, those still ahead in grey. */
export function Ladder({ command, unit }: { command: Asked; unit: string }) {
  const reached = new Map(command.rungs.map((rung) => [rung.rung as string, rung]));
  const ahead = command.ended ? [] : CLIMB.slice(CLIMB.indexOf(command.state as (typeof CLIMB)[number]) + 1);
  return (
    <div className={styles.ladder}>
      <p className={styles.asked} role="status">
        <span>
          <strong className="numbers">
            {valueText(command.value)} {unit}
          </strong>{" "}
          asked for at {momentText(command.rungs[0]!.at)}
        </span>
        <Rung state={command.state} />
      </p>
      <ol className={styles.rungs}>
        {[...reached.values()].map((rung) => (
          <li key={rung.rung} data-reached>
            <span className={styles.rung}>{words(rung.rung)}</span>
            <span className={styles.why}>{rung.why ? sentence(rung.why) : MEANING[rung.rung]}</span>
            <span className={styles.age}>{momentText(rung.at)}</span>
          </li>
        ))}
        {ahead.map((rung) => (
          <li key={rung}>
            <span className={styles.rung}>{words(rung)}</span>
            <span className={styles.why}>{MEANING[rung]}</span>
            <span className={styles.age}>not yet</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
