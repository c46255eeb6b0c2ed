import { Plug, Unplug } from "lucide-react";
import { Badge } from "./Panel";

/** Whether a device is connected, or its adapter reads it. */
export function State({ online }: { online: boolean }) {
  return online ? (
    <Badge tone="good" Icon={Plug}>
      Online
    </Badge>
  ) : (
    <Badge Icon={Unplug}>Offline</Badge>
  );
}
