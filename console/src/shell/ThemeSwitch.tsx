import { Monitor, Moon, Sun } from "lucide-react";
import { useState } from "react";
import { Button } from "react-aria-components/Button";
import { chooseTheme, theme, type Theme } from "./theme";
import styles from "./shell.module.css";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const WORDS: Record<Theme, string> = { system: "as the system", light: "light", dark: "dark" };
const ICONS = { system: Monitor, light: Sun, dark: Moon };

export function ThemeSwitch() {
  const [chosen, choose] = useState(theme);
  const Icon = ICONS[chosen];
  return (
    <Button
      className={styles.plain!}
      aria-label={`Appearance: ${WORDS[chosen]}. Change to ${WORDS[NEXT[chosen]]}`}
      onPress={() => {
        chooseTheme(NEXT[chosen]);
        choose(NEXT[chosen]);
      }}
    >
      <Icon size={18} aria-hidden />
    </Button>
  );
}
