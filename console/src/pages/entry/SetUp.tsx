import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { setUp } from "../../api/session";
import { Field } from "../../parts/controls";
import { useTitle } from "../../parts/title";
import { Door } from "./Door";

export function Component() {
  useTitle("Set up");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const entry = useMutation({
    mutationFn: (given: Record<string, string>) =>
      setUp(queries, given["code"] ?? "", given["name"] ?? "", given["password"] ?? ""),
    onSuccess: () => navigate("/", { replace: true }),
  });
  return (
    <Door
      title="Welcome. Set up the first account"
      intro="It becomes the administrator: it sees everything and adds the other people."
      action="Create the account"
      busy={entry.isPending}
      fault={entry.error?.message ?? null}
      onSubmit={entry.mutate}
    >
      <Field
        label="Set-up code"
        name="code"
        autoComplete="one-time-code"
        placeholder="ABCD-EFGH-IJKL-MNOP"
        hint="Printed where Borough was started. A new start prints a new one."
        isRequired
        autoFocus
      />
      <Field label="Your name" name="name" autoComplete="username" hint="Letters, digits and . _ @ + -" isRequired />
      <Field label="Password" name="password" type="password" autoComplete="new-password" minLength={12} hint="At least 12 characters." isRequired />
    </Door>
  );
}
