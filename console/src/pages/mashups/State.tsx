import { CirclePause, CirclePlay, PencilLine } from "lucide-react";
import { Badge } from "../../parts/Panel";

/** Whether a mashup runs. */
export function MashupState({ state }: { state: "draft" | "running" | "paused" }) {
  if (state === "running")
    return (
      <Badge tone="good" Icon={CirclePlay}>
        Running
      </Badge>
    );
  if (state === "paused")
    return (
      <Badge tone="warn" Icon={CirclePause}>
        Paused
      </Badge>
    );
  return <Badge Icon={PencilLine}>Draft</Badge>;
}
