import { useQuery } from "@tanstack/react-query";
import { Cpu } from "lucide-react";
import { endpointCount } from "../../api/directory";
import { session } from "../../api/session";
import { useFeed } from "../../live/stream";
import { Notice } from "../../parts/controls";
import { Empty, PageHead, Panel } from "../../parts/Panel";
import { useTitle } from "../../parts/title";
import { Alarms } from "./Alarms";
import { Newest } from "./Newest";
import { Platform } from "./Platform";
import { Suspects } from "./Suspects";
import { Tiles } from "./Tiles";
import styles from "./overview.module.css";

const TODAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** The state of the city at this moment. */
export function Component() {
  useTitle("Overview");
  useFeed({ verdict: "bad", every: 1 });
  const { data: who } = useQuery(session);
  const all = useQuery(endpointCount({}));
  return (
    <>
      <PageHead title="The city now">
        <p>{TODAY.format(new Date())}</p>
      </PageHead>
      {all.error && <Notice>{all.error.message}</Notice>}
      {all.data === 0 ? (
        <Panel title="Begin here">
          <Empty Icon={Cpu} title="No device is connected yet">
            Enrol a first one with <code>./run endpoint</code>, or bring a whole quarter to life with <code>./run demo</code>. What it
            measures shows here at once.
          </Empty>
        </Panel>
      ) : (
        <>
          <Tiles />
          <div className={styles.columns}>
            <Newest />
            <div className={styles.stack}>
              <Alarms />
              <Suspects />
              {who?.admin && <Platform />}
            </div>
          </div>
        </>
      )}
    </>
  );
}
