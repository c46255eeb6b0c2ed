import { useTitle } from "../../parts/title";
import { PageHead } from "../../parts/Panel";

export function Component() {
  useTitle("Overview");
  return <PageHead title="City now" />;
}
