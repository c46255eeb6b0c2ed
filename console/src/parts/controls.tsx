import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Button as AriaButton, type ButtonProps } from "react-aria-components/Button";
import { FieldError } from "react-aria-components/FieldError";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { Text } from "react-aria-components/Text";
import { TextField, type TextFieldProps } from "react-aria-components/TextField";
import styles from "./controls.module.css";

type Look = "plain" | "primary" | "danger";

export function Button({ look = "plain", ...rest }: Omit<ButtonProps, "className"> & { look?: Look }) {
  const extra = look === "plain" ? "" : ` ${styles[look]}`;
  return <AriaButton {...rest} className={styles.button + extra} />;
}

type FieldProps = Omit<TextFieldProps, "className" | "children"> & { label: string; hint?: ReactNode; fault?: string | null; placeholder?: string };

/** A text field with its label, a hint, and what is wrong with it. */
export function Field({ label, hint, fault, placeholder, ...rest }: FieldProps) {
  return (
    <TextField {...rest} className={styles.field!}>
      {({ isInvalid }) => (
        <>
          <Label>{label}</Label>
          <Input className={styles.input!} placeholder={placeholder} />
          {/* Always there: a line that went when the field is left would move the button that is being pressed. */}
          <div className={styles.said}>
            {hint && !isInvalid && (
              <Text slot="description" className={styles.hint!}>
                {hint}
              </Text>
            )}
            <FieldError className={styles.fault!}>
              {fault ?? (({ validationDetails, defaultChildren }) => (validationDetails.tooShort && hint ? hint : defaultChildren))}
            </FieldError>
          </div>
        </>
      )}
    </TextField>
  );
}

/** Says what was refused, to everyone at once. */
export function Notice({ children }: { children: ReactNode }) {
  return (
    <div role="alert" className={styles.notice}>
      <CircleAlert size={18} aria-hidden />
      <div>{children}</div>
    </div>
  );
}
