import type { DataModel, LastValue, Thing } from "../../api/_generated/schema";

export type PointOf = {
  address: string;
  /** Node and objects, from the outside in. */
  path: string[];
  name: string;
  constraint: LastValue["constraint"];
  type: LastValue["type"];
  last: LastValue | undefined;
};

/** Returns the points of a model with their last values, in the order of the model. */
export function pointsOf(uuid: string, model: DataModel | null, values: LastValue | Record<string, LastValue> | undefined): PointOf[] {
  const found: PointOf[] = [];
  const byAddress = addressed(values);
  const enter = (path: string[], thing: Thing) => {
    for (const [name, attribute] of Object.entries(thing.attributes)) {
      const address = [uuid, ...path, name].join("/");
      found.push({ address, path, name, constraint: attribute.constraint, type: attribute.type, last: byAddress[address] });
    }
    for (const [name, inner] of Object.entries(thing.objects)) enter([...path, name], inner);
  };
  for (const [node, { objects }] of Object.entries(model?.nodes ?? {})) {
    for (const [name, thing] of Object.entries(objects)) enter([node, name], thing);
  }
  return found;
}

/** Returns last values by address; one point comes by itself, with its address inside. */
function addressed(values: LastValue | Record<string, LastValue> | undefined): Record<string, LastValue> {
  if (!values) return {};
  if (typeof values["address"] === "string") return { [values["address"]]: values as LastValue };
  return values as Record<string, LastValue>;
}
