import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Pause, Play, Rocket, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import type { Checked, MashupEntity } from "../../api/_generated/schema";
import { call } from "../../api/client";
import { checked, mashup, mashups, status } from "../../api/mashups";
import { Button, Notice } from "../../parts/controls";
import { countText } from "../../parts/format";
import { Bones, PageHead, Panel } from "../../parts/Panel";
import { useTitle } from "../../parts/title";
import { DryRunPanel } from "./DryRunPanel";
import { MashupState } from "./State";
import { StatusPanel } from "./StatusPanel";
import styles from "./mashups.module.css";

/** One mashup: what it does in words, what it would have done, how it is doing. */
export function Component() {
  const uuid = useParams()["uuid"]!;
  const found = useQuery(mashup(uuid));
  const words = useQuery(checked(uuid, found.data?.revision));
  const running = found.data?.state === "running";
  const now = useQuery({ ...status(uuid), enabled: found.isSuccess && found.data.state !== "draft" });
  useTitle(found.data?.name ?? "Mashup");
  if (found.error) return <Notice>{found.error.message}</Notice>;
  if (!found.data) return <Bones lines={6} />;
  return (
    <>
      <PageHead title={found.data.name} back={{ to: "/mashups", label: "Mashups" }} aside={<Actions mashup={found.data} ready={words.isSuccess} />}>
        <MashupState state={found.data.state} />
      </PageHead>
      <div className={styles.two}>
        <div className={styles.stack}>
          <Panel title="What it does">
            {words.error ? <Notice>{words.error.message}</Notice> : !words.data ? <Bones lines={4} /> : <Words words={words.data} counts={running ? now.data?.counts : undefined} />}
          </Panel>
          {now.data && <StatusPanel status={now.data} />}
        </div>
        <DryRunPanel uuid={uuid} ready={words.isSuccess} />
      </div>
    </>
  );
}

function Words({ words, counts }: { words: Checked; counts: Record<string, number> | undefined }) {
  const last = words.steps.at(-1)?.text ?? "";
  const note = words.sentence.slice(words.sentence.lastIndexOf(last) + last.length).trim();
  return (
    <>
      <ol className={styles.steps}>
        {words.steps.map((step) => (
          <li key={step.node}>
            <span className={styles.step}>{step.text.replace(/^\d+\.\s*/, "")}</span>{" "}
            {counts?.[step.node] !== undefined && <span className={styles.counts}>{countText(counts[step.node]!)} so far</span>}
          </li>
        ))}
      </ol>
      {note && <p className={styles.note}>{note}</p>}
    </>
  );
}

function Actions({ mashup: shown, ready }: { mashup: MashupEntity; ready: boolean }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [sure, ask] = useState(false);
  const path = { uuid: shown.uuid };
  const act = useMutation({
    mutationFn: async (what: "publish" | "pause" | "resume") => {
      if (what === "publish") await call("POST /mashups/{uuid}/publish", { path, body: { note: "" } });
      else if (what === "pause") await call("POST /mashups/{uuid}/pause", { path });
      else await call("POST /mashups/{uuid}/resume", { path });
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["mashup", shown.uuid] }),
  });
  const remove = useMutation({
    mutationFn: () => call("DELETE /mashups/{uuid}", { path }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: mashups.queryKey });
      await navigate("/mashups");
    },
  });
  const error = act.error ?? remove.error;
  return (
    <div className={styles.actions} onKeyDown={(event) => event.key === "Escape" && ask(false)}>
      {error && <Notice>{error.message}</Notice>}
      {shown.state === "draft" && (
        <Button look="primary" isDisabled={!ready} isPending={act.isPending} onPress={() => act.mutate("publish")}>
          <Rocket size={15} aria-hidden /> Let it run
        </Button>
      )}
      {shown.state === "running" && (
        <Button isPending={act.isPending} onPress={() => act.mutate("pause")}>
          <Pause size={15} aria-hidden /> Pause
        </Button>
      )}
      {shown.state === "paused" && (
        <Button look="primary" isPending={act.isPending} onPress={() => act.mutate("resume")}>
          <Play size={15} aria-hidden /> Resume
        </Button>
      )}
      <Button look="danger" isPending={remove.isPending} onPress={() => (sure ? remove.mutate() : ask(true))}>
        <Trash2 size={15} aria-hidden /> {sure ? "Really delete" : "Delete"}
      </Button>
      {sure && <Button onPress={() => ask(false)}>Keep it</Button>}
      {shown.version !== null && <Link to={`/devices/${shown.uuid}`}>Its data points</Link>}
    </div>
  );
}
