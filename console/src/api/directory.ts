import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { FoundEndpoints, FoundPoints, Operations } from "./_generated/schema";
import { call } from "./client";
import { PLATFORM } from "./projects";

export type Filter = Omit<Operations["GET /search"]["query"], "what" | "limit" | "after">;
type Search = Operations["POST /search"]["body"];
type CityFilter = NonNullable<Search["filter"]>;

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

/** The same, without the platform's own resources: what stands in the city. */
export function cityPoints(filter: CityFilter, limit: number, sort: Search["sort"] = "name", freshMs = FRESH_MS) {
  const body: Search = { filter: { ...filter, not: { project: [PLATFORM] } }, what: "points", limit, sort };
  return queryOptions({
    queryKey: ["search", "city points", body],
    queryFn: async ({ signal }) => (await call("POST /search", { body, signal })) as FoundPoints,
    refetchInterval: freshMs,
  });
}

/** How many endpoints of the city a filter holds for. */
export function endpointCount(filter: CityFilter) {
  const body: Search = { filter: { ...filter, not: { project: [PLATFORM] } }, what: "endpoints", limit: 1 };
  return queryOptions({
    queryKey: ["search", "city endpoints", body],
    queryFn: async ({ signal }) => ((await call("POST /search", { body, signal })) as FoundEndpoints).count,
    refetchInterval: FRESH_MS,
  });
}
