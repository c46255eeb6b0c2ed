import { CircleCheck, CircleHelp, CircleMinus, CircleX } from "lucide-react";
import { words } from "./format";
import { Badge, type Tone } from "./Panel";

const LOOK: Record<string, { tone: Tone; Icon: typeof CircleCheck; word: string }> = {
  good: { tone: "good", Icon: CircleCheck, word: "Good" },
  uncertain: { tone: "warn", Icon: CircleHelp, word: "Uncertain" },
  bad: { tone: "bad", Icon: CircleX, word: "Bad" },
};

/** What the platform thinks of a value, and why unless it is good. */
export function Verdict({ verdict, reason }: { verdict: string | null | undefined; reason?: string | null | undefined }) {
  const look = verdict ? LOOK[verdict] : undefined;
  if (!look) return <Badge Icon={CircleMinus}>No value yet</Badge>;
  return (
    <Badge tone={look.tone} Icon={look.Icon}>
      {look.word}
      {reason ? `: ${words(reason).toLowerCase()}` : ""}
    </Badge>
  );
}

export const VERDICTS = ["good", "uncertain", "bad"] as const;
