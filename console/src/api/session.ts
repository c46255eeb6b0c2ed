import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { call } from "./client";

/** Who uses this browser; asked once and after each change of it. */
export const session = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => call("GET /session", { signal }),
  staleTime: Infinity,
});

export async function signIn(queries: QueryClient, name: string, password: string): Promise<void> {
  await call("POST /session", { body: { name, password } });
  await queries.query({ ...session, staleTime: 0 });
}

export async function setUp(queries: QueryClient, code: string, name: string, password: string): Promise<void> {
  await call("POST /setup", { body: { code, name, password } });
  await signIn(queries, name, password);
}

/** Ends the session here and on the platform; nothing of it is kept in memory. */
export async function signOut(queries: QueryClient): Promise<void> {
  await call("DELETE /session");
  queries.clear();
}
