import { useEffect, useState, useSyncExternalStore } from "react";
import type { Value } from "../parts/format";
import type { Row } from "../parts/series";
import { useConnection } from "./connection";

/** One sample as the live feed tells it. */
export type Sample = {
  address: string;
  value: Value;
  observed_at: string;
  received_at: string;
  verdict: string;
  reason?: string;
};

const OFFLINE_AFTER_MS = 10_000;
const TAIL_EACH_MS = 500;
const TAIL_ROWS = 600;
const AGAIN_MS = 2_000;

/**
 * The one stream of this tab. Values stay outside of React: each address has its listeners, and what
 * changed is told once per frame.
 */
class LiveFeed {
  private source: EventSource | null = null;
  private asked = "";
  private readonly latest = new Map<string, Sample>();
  private readonly listeners = new Map<string, Set<() => void>>();
  private readonly followers = new Set<(samples: Sample[]) => void>();
  private readonly changed = new Set<string>();
  private fresh: Sample[] = [];
  private frame = 0;
  private doubt: number | undefined;

  /** Follows what a filter holds for, instead of what was followed before; empty: nothing. */
  follow(filter: string): void {
    if (filter === this.asked) return;
    this.asked = filter;
    this.latest.clear();
    this.connect();
  }

  private connect(): void {
    this.source?.close();
    this.source = null;
    window.clearTimeout(this.doubt);
    useConnection.setState({ state: this.asked ? "waiting" : "idle" });
    if (!this.asked) return;
    const source = new EventSource(`/api/v1/live?${this.asked}`);
    source.addEventListener("open", () => this.reached());
    source.addEventListener("samples", (event) => this.take(JSON.parse((event as MessageEvent<string>).data) as Sample[]));
    source.addEventListener("error", () => this.lost(source));
    this.source = source;
  }

  newest(address: string): Sample | undefined {
    return this.latest.get(address);
  }

  listen(address: string, tell: () => void): () => void {
    const set = this.listeners.get(address) ?? new Set();
    this.listeners.set(address, set.add(tell));
    return () => {
      set.delete(tell);
      if (!set.size) this.listeners.delete(address);
    };
  }

  /** Tells of all samples, once per frame. */
  each(tell: (samples: Sample[]) => void): () => void {
    this.followers.add(tell);
    return () => void this.followers.delete(tell);
  }

  private take(samples: Sample[]): void {
    for (const sample of samples) {
      const before = this.latest.get(sample.address);
      if (before && before.observed_at > sample.observed_at) continue; // brought along from the past
      this.latest.set(sample.address, sample);
      this.changed.add(sample.address);
    }
    this.fresh.push(...samples);
    this.frame ||= requestAnimationFrame(() => this.tell());
  }

  private tell(): void {
    this.frame = 0;
    const addresses = [...this.changed];
    const samples = this.fresh;
    this.changed.clear();
    this.fresh = [];
    for (const address of addresses) for (const one of this.listeners.get(address) ?? []) one();
    for (const one of this.followers) one(samples);
  }

  private reached(): void {
    window.clearTimeout(this.doubt);
    useConnection.setState({ state: "live" });
  }

  private lost(source: EventSource): void {
    if (source !== this.source) return;
    if (useConnection.getState().state === "live") useConnection.setState({ state: "waiting" });
    window.clearTimeout(this.doubt);
    this.doubt = window.setTimeout(() => useConnection.setState({ state: "offline" }), OFFLINE_AFTER_MS);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    window.setTimeout(() => {
      if (this.source === source) this.connect();
    }, AGAIN_MS);
  }
}

export const feed = new LiveFeed();

/** Has the tab's one stream follow a filter for as long as the page is shown. */
export function useFeed(filter: Record<string, string | string[] | number>): void {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) for (const one of [value].flat()) found.append(name, String(one));
  const text = found.toString();
  useEffect(() => {
    feed.follow(text);
    return () => feed.follow("");
  }, [text]);
}

/** Returns the newest sample of a point that came since the page was opened; undefined before. */
export function useSample(address: string): Sample | undefined {
  return useSyncExternalStore(
    (tell) => feed.listen(address, tell),
    () => feed.newest(address),
  );
}

/**
 * Returns what came of a point after a time (ISO 8601), oldest first: the end of a line that was
 * asked for before. It grows at most twice a second, and keeps the newest rows when they are many.
 */
export function useTail(address: string, after: string | undefined): Row[] {
  const [tail, grow] = useState<Row[]>(NO_ROWS);
  useEffect(() => {
    grow((rows) => (after === undefined ? NO_ROWS : rows.filter((row) => row.time > after)));
    if (after === undefined) return undefined;
    let waiting: Row[] = [];
    let timer: number | undefined;
    const add = () => {
      timer = undefined;
      const fresh = waiting;
      waiting = [];
      grow((rows) => joined(rows, fresh));
    };
    const stop = feed.listen(address, () => {
      const sample = feed.newest(address);
      if (sample === undefined || sample.observed_at <= after) return;
      waiting.push({ time: sample.observed_at, value: sample.value ?? null, verdict: sample.verdict, reason: sample.reason ?? null });
      timer ??= window.setTimeout(add, TAIL_EACH_MS);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [address, after]);
  return tail;
}

const NO_ROWS: Row[] = [];

/** Returns rows with those that are newer behind them. */
function joined(rows: Row[], fresh: Row[]): Row[] {
  const last = rows.at(-1)?.time ?? "";
  return [...rows, ...fresh.filter((row) => row.time > last)].slice(-TAIL_ROWS);
}
