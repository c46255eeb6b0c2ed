import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearchParams } from "react-router";
import { signIn } from "../../api/session";
import { Field } from "../../parts/controls";
import { useTitle } from "../../parts/title";
import { Door } from "./Door";
import { inside } from "./inside";

export function Component() {
  useTitle("Sign in");
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [asked] = useSearchParams();
  const entry = useMutation({
    mutationFn: (given: Record<string, string>) => signIn(queries, given["name"] ?? "", given["password"] ?? ""),
    onSuccess: () => navigate(inside(asked.get("to")), { replace: true }),
  });
  return (
    <Door
      title="Sign in"
      intro="With the account that an administrator of your city gave you."
      action="Sign in"
      busy={entry.isPending}
      fault={entry.error?.message ?? null}
      onSubmit={entry.mutate}
    >
      <Field label="Name" name="name" autoComplete="username" isRequired autoFocus />
      <Field label="Password" name="password" type="password" autoComplete="current-password" isRequired />
    </Door>
  );
}
