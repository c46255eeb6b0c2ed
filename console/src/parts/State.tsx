import { AppWindow, Plug, Unplug } from "lucide-react";
import { Badge } from "./Panel";

/** Whether a device is connected, or its adapter reads it; what apps feed has no connection. */
export function State({ online, feed }: { online: boolean; feed: string | null }) {
  if (!online && feed === "app") return <Badge Icon={AppWindow}>Fed by apps</Badge>;
  return online ? (
    <Badge tone="good" Icon={Plug}>
      Online
    </Badge>
  ) : (
    <Badge Icon={Unplug}>Offline</Badge>
  );
}
