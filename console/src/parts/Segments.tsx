import { ToggleButton } from "react-aria-components/ToggleButton";
import { ToggleButtonGroup } from "react-aria-components/ToggleButtonGroup";
import styles from "./controls.module.css";

type Props<T extends string> = { label: string; chosen: T; options: Record<T, string>; onChoose: (chosen: T) => void };

/** A choice of one among few, all in view. */
export function Segments<T extends string>({ label, chosen, options, onChoose }: Props<T>) {
  return (
    <ToggleButtonGroup
      aria-label={label}
      className={styles.segments!}
      selectedKeys={[chosen]}
      disallowEmptySelection
      onSelectionChange={(keys) => {
        const [key] = keys;
        if (key !== undefined) onChoose(key as T);
      }}
    >
      {(Object.entries(options) as [T, string][]).map(([key, text]) => (
        <ToggleButton key={key} id={key}>
          {text}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
