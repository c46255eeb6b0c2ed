import { isRouteErrorResponse, Link, useRouteError } from "react-router";
import { Mark } from "./Mark";
import styles from "./lost.module.css";

/** Stands where a page failed or does not exist. */
export function Lost() {
  const error = useRouteError();
  const missing = isRouteErrorResponse(error) && error.status === 404;
  return (
    <main className={styles.lost}>
      <Mark size={40} />
      <h1>{missing ? "There is no such page" : "This page could not be shown"}</h1>
      <p className="soft">
        {missing ? "The address may be mistyped, or the page was moved." : error instanceof Error ? error.message : "Load it again."}
      </p>
      <p>
        <Link to="/" reloadDocument>
          Go to the overview
        </Link>
      </p>
    </main>
  );
}
