import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { FoundEndpoints, FoundPoints, Operations } from "./_generated/schema";
import { call } from "./client";

export type Filter = Omit<Operations["GET /search"]["query"], "what" | "limit" | "after">;

const PAGE = 50;
const FRESH_MS = 10_000;

/** Endpoints by a filter, a page at a time. */
export function endpoints(filter: Filter) {
  return infiniteQueryOptions({
    queryKey: ["search", "endpoints", filter],
    queryFn: async ({ signal, pageParam }) => {
      const query = { ...filter, what: "endpoints" as const, limit: PAGE, after: pageParam };
      return (await call("GET /search", { query, signal })) as FoundEndpoints;
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    refetchInterval: FRESH_MS,
  });
}

/** The first points by a filter, each with its newest sample; `count` is of all. */
export function points(filter: Filter, limit: number, freshMs = FRESH_MS) {
  return queryOptions({
    queryKey: ["search", "points", filter, limit],
    queryFn: async ({ signal }) =>
      (await call("GET /search", { query: { ...filter, what: "points", limit }, signal })) as FoundPoints,
    refetchInterval: freshMs,
  });
}

/** How many endpoints a filter holds for. */
export function endpointCount(filter: Filter) {
  return queryOptions({
    queryKey: ["search", "count", filter],
    queryFn: async ({ signal }) =>
      ((await call("GET /search", { query: { ...filter, what: "endpoints", limit: 1 }, signal })) as FoundEndpoints).count,
    refetchInterval: FRESH_MS,
  });
}
