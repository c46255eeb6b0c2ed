import "@fontsource-variable/inter/index.css";
import "./app.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";
import { Refusal, whenSignedOut } from "./api/client";
import { session } from "./api/session";
import { routes } from "./routes";
import { showTheme } from "./shell/theme";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What was refused will be refused again; what did not answer may.
      retry: (count, error) => count < 3 && error instanceof Refusal && (error.status === 0 || error.status >= 500),
    },
  },
});

whenSignedOut(() => void queries.invalidateQueries({ queryKey: session.queryKey }));
showTheme();

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={routes(queries)} />
    </QueryClientProvider>
  </StrictMode>,
);
