import { useSyncExternalStore } from "react";

let now = Date.now();
const waiting = new Set<() => void>();
let timer: number | undefined;

/** Returns the time, renewed every second for as long as somebody looks. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

function subscribe(tell: () => void): () => void {
  waiting.add(tell);
  timer ??= window.setInterval(() => {
    now = Date.now();
    for (const one of waiting) one();
  }, 1000);
  return () => {
    waiting.delete(tell);
    if (!waiting.size) {
      window.clearInterval(timer);
      timer = undefined;
    }
  };
}
