import { queryOptions } from "@tanstack/react-query";
import { call } from "./client";

/** The platform's own resources are kept as endpoints too; they are no part of the city. */
export const PLATFORM = "platform";

/** Names of the projects of the city that one may know. */
export const projects = queryOptions({
  queryKey: ["projects"],
  queryFn: async ({ signal }) => (await call("GET /projects", { signal })).map(({ name }) => name).filter((name) => name !== PLATFORM),
  staleTime: 60_000,
});
