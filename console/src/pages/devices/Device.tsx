import { useQuery } from "@tanstack/react-query";
import { Ban, Boxes, MapPin, Tag } from "lucide-react";
import { Link, useParams, useSearchParams } from "react-router";
import { call, Refusal } from "../../api/client";
import { points } from "../../api/directory";
import { useFeed } from "../../live/stream";
import { Notice } from "../../parts/controls";
import { words } from "../../parts/format";
import { Badge, Bones, Empty, PageHead, Panel } from "../../parts/Panel";
import { State } from "../../parts/State";
import { useTitle } from "../../parts/title";
import { PointPanel } from "./PointPanel";
import { PointTree } from "./PointTree";
import { pointsOf } from "./points";
import styles from "./devices.module.css";

const POINTS_MAX = 1_000;

/** One endpoint: its points with their values as they come, and one of them in depth. */
export function Component() {
  const uuid = useParams()["uuid"]!;
  const [asked, ask] = useSearchParams();
  const endpoint = useQuery({
    queryKey: ["endpoint", uuid],
    queryFn: ({ signal }) => call("GET /endpoints/{uuid}", { path: { uuid }, signal }),
    refetchInterval: 15_000,
  });
  const about = useQuery({
    queryKey: ["metadata", uuid],
    queryFn: ({ signal }) => call("GET /metadata/{address}", { path: { address: uuid }, signal }),
    enabled: endpoint.isSuccess && endpoint.data.permission !== "ACCESS",
  });
  const found = useQuery({ ...points({ address: [uuid], sort: "name" }, POINTS_MAX), enabled: endpoint.isSuccess });
  useFeed({ address: uuid });
  useTitle(endpoint.data?.friendlyName ?? "Device");

  if (endpoint.error) return <Unknown error={endpoint.error} />;
  if (!endpoint.data) return <Bones lines={8} />;
  const { friendlyName, online, banned, dataModel, feed, metaData } = endpoint.data;
  const known = pointsOf(uuid, dataModel, found.data?.hits ?? []);
  const chosen = known.find((point) => point.address === asked.get("point")) ?? known[0];
  const tags = about.data?.effective["tags"];
  return (
    <>
      <PageHead title={friendlyName} back={{ to: "/devices", label: "Devices" }}>
        <span className={styles.badges}>
          <State online={online} feed={feed} />
          {banned && (
            <Badge tone="bad" Icon={Ban}>
              Locked out
            </Badge>
          )}
          {typeof metaData["kind"] === "string" && <Badge Icon={Tag}>{words(metaData["kind"])}</Badge>}
          <Place place={about.data?.effective["place"]} />
          {Array.isArray(tags) && tags.filter((tag) => tag !== metaData["kind"]).map((tag) => <Badge key={String(tag)} Icon={Tag}>{String(tag)}</Badge>)}
        </span>
      </PageHead>
      {chosen ? (
        <div className={styles.split}>
          <Panel title={`${known.length} data point${known.length === 1 ? "" : "s"}`} flush>
            <PointTree points={known} chosen={chosen.address} onChoose={(point) => ask({ point }, { replace: true })} />
          </Panel>
          <PointPanel key={chosen.address} point={chosen} />
        </div>
      ) : found.isLoading ? (
        <Bones lines={8} />
      ) : (
        <Panel title="Data points">
          <Empty Icon={Boxes} title="This device has not told what it measures yet">
            Its points appear here by themselves as soon as it connects and declares its model, or sends a first value.
          </Empty>
        </Panel>
      )}
    </>
  );
}

function Place({ place }: { place: unknown }) {
  if (!place || typeof place !== "object") return null;
  const { lat, lon } = place as { lat?: unknown; lon?: unknown };
  if (typeof lat !== "number" || typeof lon !== "number") return null;
  return (
    <Badge Icon={MapPin}>
      {lat.toFixed(4)}, {lon.toFixed(4)}
    </Badge>
  );
}

function Unknown({ error }: { error: Error }) {
  const missing = error instanceof Refusal && error.status === 404;
  return (
    <>
      <PageHead title="Device" back={{ to: "/devices", label: "Devices" }} />
      {missing ? (
        <Empty Icon={Boxes} title="There is no such device for you">
          It may have been removed, or you may not be allowed to know it. <Link to="/devices">See all devices</Link>
        </Empty>
      ) : (
        <Notice>{error.message}</Notice>
      )}
    </>
  );
}
