import { CircleAlert, CircleCheck, CircleDashed } from "lucide-react";
import { useConnection } from "../live/connection";
import styles from "./shell.module.css";

const LOOK = {
  live: { Icon: CircleCheck, word: "Live" },
  waiting: { Icon: CircleDashed, word: "Connecting" },
  offline: { Icon: CircleAlert, word: "Offline" },
};

/** Says whether what is shown is of this moment. */
export function Pulse() {
  const state = useConnection((connection) => connection.state);
  if (state === "idle") return null;
  const { Icon, word } = LOOK[state];
  return (
    <span role="status" className={styles.pulse} data-state={state}>
      <Icon size={14} aria-hidden />
      {word}
    </span>
  );
}
