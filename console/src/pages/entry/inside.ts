/** Returns where to go after signing in: a path of this console, never another site. */
export function inside(to: string | null): string {
  return to !== null && /^\/(?![/\\])/.test(to) ? to : "/";
}
