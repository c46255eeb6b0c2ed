import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Cpu, Search, Tag, X } from "lucide-react";
import { useEffect, useState } from "react";
import { Link, useSearchParams } from "react-router";
import type { EndpointHit } from "../../api/_generated/schema";
import { endpoints } from "../../api/directory";
import { Button, Notice } from "../../parts/controls";
import { countText, words } from "../../parts/format";
import { Bones, Empty, PageHead, Panel } from "../../parts/Panel";
import { Segments } from "../../parts/Segments";
import { State } from "../../parts/State";
import { useTitle } from "../../parts/title";
import controls from "../../parts/controls.module.css";
import table from "../../parts/table.module.css";
import styles from "./devices.module.css";

const STATES = { any: "All", online: "Online", offline: "Not connected" };
const TYPING_MS = 250;

/** Every endpoint that one may know, by words, state and tag; the filter is the address of the page. */
export function Component() {
  useTitle("Devices");
  const [asked, ask] = useSearchParams();
  const text = asked.get("text") ?? "";
  const state = asked.get("state") === "online" ? "online" : asked.get("state") === "offline" ? "offline" : "any";
  const tag = asked.get("tag");
  const found = useInfiniteQuery({
    ...endpoints({
      ...(text ? { text: [text] } : {}),
      ...(state === "any" ? {} : { state: [state] }),
      ...(tag ? { tag: [tag] } : {}),
    }),
    placeholderData: keepPreviousData,
  });
  const change = (name: string, value: string | null) =>
    ask(
      (before) => {
        if (value) before.set(name, value);
        else before.delete(name);
        return before;
      },
      { replace: true },
    );
  const count = found.data?.pages[0]?.count;
  const hits = found.data?.pages.flatMap((page) => page.hits);
  return (
    <>
      <PageHead title="Devices">
        <p>Everything that measures or acts in the city, as far as you may know it.</p>
      </PageHead>
      <search className={styles.filters}>
        <Words text={text} onChange={(typed) => change("text", typed)} />
        <Segments label="State" chosen={state} options={STATES} onChoose={(chosen) => change("state", chosen === "any" ? null : chosen)} />
        {tag && (
          <Button onPress={() => change("tag", null)} aria-label={`Tag ${tag}: remove this filter`}>
            <Tag size={14} aria-hidden />
            {tag}
            <X size={14} aria-hidden />
          </Button>
        )}
      </search>
      {found.error && <Notice>{found.error.message}</Notice>}
      <Panel
        title="Found"
        flush
        aside={
          <span className={styles.count} role="status">
            {count === undefined ? "" : `${countText(count)} device${count === 1 ? "" : "s"}`}
          </span>
        }
      >
        {!hits ? (
          found.error ? null : <Bones lines={10} height={18} />
        ) : hits.length === 0 ? (
          <Nothing filtered={Boolean(text || tag || state !== "any")} />
        ) : (
          <Hits hits={hits} onTag={(chosen) => change("tag", chosen)} />
        )}
      </Panel>
      {found.hasNextPage && (
        <p className={styles.more}>
          <Button onPress={() => void found.fetchNextPage()} isPending={found.isFetchingNextPage}>
            Show more
          </Button>
        </p>
      )}
    </>
  );
}

/** The search field: what is typed is asked for after a short pause. */
function Words({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const [typed, type] = useState(text);
  useEffect(() => type(text), [text]);
  useEffect(() => {
    if (typed === text) return undefined;
    const timer = window.setTimeout(() => onChange(typed), TYPING_MS);
    return () => window.clearTimeout(timer);
  }, [typed, text, onChange]);
  return (
    <div className={styles.search}>
      <Search size={16} aria-hidden />
      <input
        type="search"
        className={controls.input}
        aria-label="Search devices"
        placeholder="Name, street, kind, tag …"
        value={typed}
        onChange={(event) => type(event.target.value)}
      />
    </div>
  );
}

function Hits({ hits, onTag }: { hits: EndpointHit[]; onTag: (tag: string) => void }) {
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">State</th>
          <th scope="col" className={table.wide}>
            Tags
          </th>
          <th scope="col" className={table.wide}>
            You may
          </th>
        </tr>
      </thead>
      <tbody>
        {hits.map((hit) => (
          <tr key={hit.uuid}>
            <td>
              <Link className={table.link} to={`/devices/${hit.uuid}`}>
                {hit.friendlyName}
              </Link>
            </td>
            <td>
              <State online={hit.online} feed={hit.feed} />
            </td>
            <td className={table.wide}>
              <span className={styles.tags}>
                {hit.tags?.map((tag) => (
                  <button key={tag} type="button" className={styles.tag} onClick={() => onTag(tag)}>
                    {tag}
                  </button>
                ))}
              </span>
            </td>
            <td className={`${table.quiet} ${table.wide}`}>{words(hit.permission.toLowerCase())}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  return filtered ? (
    <Empty Icon={Cpu} title="Nothing fits this search">
      Each word has to occur in a name, a tag or an address. Use fewer words, or look at all states.
    </Empty>
  ) : (
    <Empty Icon={Cpu} title="No device yet">
      Enrol a first one with <code>./run endpoint</code>, or bring a whole quarter to life with <code>./run demo</code>.
    </Empty>
  );
}
