import type { Operations } from "./_generated/schema";

type Key = keyof Operations;
type Asked<K extends Key> = {
  path?: Operations[K]["path"];
  query?: Operations[K]["query"];
  body?: Operations[K]["body"];
  signal?: AbortSignal;
};

/** What the platform refused, in its own words. */
export class Refusal extends Error {
  readonly status: number;
  readonly document: Record<string, unknown>;

  constructor(status: number, detail: string, document: Record<string, unknown> = {}) {
    super(detail);
    this.status = status;
    this.document = document;
  }
}

const API = "/api/v1";
let onSignedOut: () => void = () => {};

/** Names who is told when the session has ended. */
export function whenSignedOut(tell: () => void): void {
  onSignedOut = tell;
}

/** Calls one operation of the API; throws a Refusal. The compiler holds the call to the API's description. */
export async function call<K extends Key>(key: K, asked: Asked<K> = {}): Promise<Operations[K]["answer"]> {
  const space = key.indexOf(" ");
  const url = API + filled(key.slice(space + 1), asked.path ?? {}) + search(asked.query ?? {});
  const init: RequestInit = { method: key.slice(0, space), headers: { Accept: "application/json" } };
  if (asked.signal) init.signal = asked.signal;
  if (asked.body !== undefined && asked.body !== null) {
    init.body = JSON.stringify(asked.body);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  let answer: Response;
  try {
    answer = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refusal(0, "The platform does not answer. Is it running? This page tries again.");
  }
  if (answer.ok) return (answer.status === 204 ? null : await answer.json()) as Operations[K]["answer"];
  throw await refusalOf(answer);
}

async function refusalOf(answer: Response): Promise<Refusal> {
  if (answer.status === 401) onSignedOut();
  try {
    const document = (await answer.json()) as Record<string, unknown>;
    return new Refusal(answer.status, String(document["detail"] ?? answer.statusText), document);
  } catch {
    return new Refusal(answer.status, `The platform answered ${answer.status}.`);
  }
}

/** Puts values into a path; an address keeps its slashes. */
function filled(path: string, values: Record<string, unknown>): string {
  return path.replace(/{(\w+)}/g, (_, name: string) =>
    String(values[name]).split("/").map(encodeURIComponent).join("/"),
  );
}

function search(values: Record<string, unknown>): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") found.append(name, String(one));
    }
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}
