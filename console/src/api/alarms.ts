import { queryOptions } from "@tanstack/react-query";
import { call } from "./client";

/** The alarms that stand now, newest first. */
export const openAlarms = queryOptions({
  queryKey: ["alarms"],
  queryFn: ({ signal }) => call("GET /alarms", { query: { open: true, limit: 100 }, signal }),
  refetchInterval: 5_000,
});
