import { useQuery } from "@tanstack/react-query";
import { Cpu, Search } from "lucide-react";
import { Link, useSearchParams } from "react-router";
import { call } from "../../api/client";
import { Notice } from "../../parts/controls";
import { countText, words } from "../../parts/format";
import { Bones, Empty, PageHead, Panel } from "../../parts/Panel";
import { Segments } from "../../parts/Segments";
import { State } from "../../parts/State";
import { useTitle } from "../../parts/title";
import controls from "../../parts/controls.module.css";
import table from "../../parts/table.module.css";
import styles from "./devices.module.css";

const STATES = { any: "All", online: "Online", offline: "Offline" };

/** Every endpoint that one may know, found by words and state; the filter is the address of the page. */
export function Component() {
  useTitle("Devices");
  const [asked, ask] = useSearchParams();
  const text = asked.get("text") ?? "";
  const state = (asked.get("state") ?? "any") as keyof typeof STATES;
  const found = useQuery({
    queryKey: ["endpoints"],
    queryFn: ({ signal }) => call("GET /endpoints", { query: { limit: 1000 }, signal }),
    refetchInterval: 10_000,
  });
  const change = (name: string, value: string) =>
    ask((before) => {
      if (value) before.set(name, value);
      else before.delete(name);
      return before;
    }, { replace: true });
  const needles = text.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = found.data?.filter(
    (endpoint) =>
      (state === "any" || endpoint.online === (state === "online")) &&
      needles.every((needle) => endpoint.friendlyName.toLowerCase().includes(needle)),
  );
  return (
    <>
      <PageHead title="Devices">
        <p>Everything that measures or acts in the city, as far as you may know it.</p>
      </PageHead>
      <div className={styles.filters} role="search">
        <div className={styles.search}>
          <Search size={16} aria-hidden />
          <input
            type="search"
            className={controls.input}
            aria-label="Search devices"
            placeholder="Search by name"
            value={text}
            onChange={(event) => change("text", event.target.value)}
          />
        </div>
        <Segments label="State" chosen={state} options={STATES} onChoose={(chosen) => change("state", chosen === "any" ? "" : chosen)} />
      </div>
      {found.error && <Notice>{found.error.message}</Notice>}
      <Panel title="Found" flush aside={<span className={styles.count} role="status">{shown ? `${countText(shown.length)} devices` : ""}</span>}>
        {!shown ? (
          <Bones lines={10} height={18} />
        ) : shown.length === 0 ? (
          <Empty Icon={Cpu} title={found.data?.length ? "Nothing fits this search" : "No device yet"}>
            {found.data?.length ? "Use fewer words, or look at all states." : "Enrol a first one with ./run endpoint, or start ./run demo for a whole quarter."}
          </Empty>
        ) : (
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">State</th>
                <th scope="col" className={table.wide}>
                  You may
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((endpoint) => (
                <tr key={endpoint.uuid}>
                  <td>
                    <Link className={table.link} to={`/devices/${endpoint.uuid}`}>
                      {endpoint.friendlyName}
                    </Link>
                  </td>
                  <td>
                    <State online={endpoint.online} />
                  </td>
                  <td className={`${table.quiet} ${table.wide}`}>{words(endpoint.permission.toLowerCase())}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
    </>
  );
}
