import { create } from "zustand";

/** Whether values reach this tab: live, about to, not for a while; idle where a page follows none. */
export const useConnection = create<{ state: "live" | "waiting" | "offline" | "idle" }>(() => ({ state: "idle" }));
