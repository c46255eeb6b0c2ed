import { words } from "../../parts/format";
import type { DataModel, PointHit } from "../../api/_generated/schema";

export type PointOf = {
  address: string;
  /** Node and objects, from the outside in. */
  path: string[];
  name: string;
  constraint: PointHit["constraint"];
  type: PointHit["type"];
  /** What the search knows of it with its newest sample; undefined until it is asked or where it may not be read. */
  found: PointHit | undefined;
};

/** Returns the points of a model in its order, with what was found of each. */
export function pointsOf(uuid: string, model: DataModel | null, hits: readonly PointHit[]): PointOf[] {
  const points: PointOf[] = [];
  const byAddress = new Map(hits.map((hit) => [hit.address, hit]));
  const enter = (path: string[], thing: DataModel["nodes"][string]["objects"][string]) => {
    for (const [name, attribute] of Object.entries(thing.attributes)) {
      const address = [uuid, ...path, name].join("/");
      points.push({ address, path, name, constraint: attribute.constraint, type: attribute.type, found: byAddress.get(address) });
    }
    for (const [name, inner] of Object.entries(thing.objects)) enter([...path, name], inner);
  };
  for (const [node, { objects }] of Object.entries(model?.nodes ?? {})) {
    for (const [name, thing] of Object.entries(objects)) enter([node, name], thing);
  }
  return points;
}

/** Returns what people call the point: the quantity where it is known, else its technical name in words. */
export function nameOf(point: PointOf): string {
  return words(point.found?.quantity ?? point.name);
}
