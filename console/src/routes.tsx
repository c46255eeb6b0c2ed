import type { QueryClient } from "@tanstack/react-query";
import { createBrowserRouter, redirect } from "react-router";
import { session } from "./api/session";
import { Lost } from "./parts/Lost";
import { Shell } from "./shell/Shell";

/** The pages. Who is not signed in is sent to the door, and back to where they wanted to go. */
export function routes(queries: QueryClient) {
  const inside = async ({ request }: { request: Request }) => {
    const who = await queries.query(session);
    if (who.name !== null) return null;
    const url = new URL(request.url);
    const back = url.pathname + url.search;
    throw redirect((who.awaits_set_up ? "/set-up" : "/sign-in") + (back === "/" ? "" : `?to=${encodeURIComponent(back)}`));
  };
  const outside = (page: "set-up" | "sign-in") => async () => {
    const who = await queries.query(session);
    if (who.name !== null) throw redirect("/");
    if (who.awaits_set_up !== (page === "set-up")) throw redirect(who.awaits_set_up ? "/set-up" : "/sign-in");
    return null;
  };
  return createBrowserRouter([
    { path: "/sign-in", loader: outside("sign-in"), lazy: () => import("./pages/entry/SignIn"), ErrorBoundary: Lost, HydrateFallback: () => null },
    { path: "/set-up", loader: outside("set-up"), lazy: () => import("./pages/entry/SetUp"), ErrorBoundary: Lost, HydrateFallback: () => null },
    {
      path: "/",
      loader: inside,
      shouldRevalidate: ({ currentUrl, nextUrl }) => currentUrl.pathname !== nextUrl.pathname,
      Component: Shell,
      ErrorBoundary: Lost,
      HydrateFallback: () => null,
      children: [
        { index: true, lazy: () => import("./pages/overview/Overview") },
        { path: "devices", lazy: () => import("./pages/devices/Devices") },
        { path: "mashups", lazy: () => import("./pages/mashups/Mashups") },
        { path: "mashups/new/:template", lazy: () => import("./pages/mashups/NewMashup") },
        { path: "mashups/:uuid", lazy: () => import("./pages/mashups/Mashup") },
        { path: "devices/:uuid", lazy: () => import("./pages/devices/Device") },
      ],
    },
  ]);
}
