import { queryOptions } from "@tanstack/react-query";
import { call } from "./client";

export const mashups = queryOptions({
  queryKey: ["mashups"],
  queryFn: ({ signal }) => call("GET /mashups", { signal }),
  refetchInterval: 10_000,
});

export const templates = queryOptions({
  queryKey: ["templates"],
  queryFn: ({ signal }) => call("GET /mashups/templates", { signal }),
  staleTime: Infinity,
});

export function mashup(uuid: string) {
  return queryOptions({
    queryKey: ["mashup", uuid],
    queryFn: ({ signal }) => call("GET /mashups/{uuid}", { path: { uuid }, signal }),
  });
}

/** What the draft does, in words; refused with the reason when it cannot be published. */
export function checked(uuid: string, revision: number | undefined) {
  return queryOptions({
    queryKey: ["mashup", uuid, "check", revision],
    queryFn: ({ signal }) => call("GET /mashups/{uuid}/check", { path: { uuid }, signal }),
    enabled: revision !== undefined,
    retry: false,
  });
}

export function status(uuid: string) {
  return queryOptions({
    queryKey: ["mashup", uuid, "status"],
    queryFn: ({ signal }) => call("GET /mashups/{uuid}/status", { path: { uuid }, signal }),
    refetchInterval: 2_000,
  });
}
