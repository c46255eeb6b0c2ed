import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Cpu, LayoutDashboard, LogOut, Workflow } from "lucide-react";
import { useEffect, useRef } from "react";
import { Button } from "react-aria-components/Button";
import { NavLink, Outlet, useLocation, useNavigate, useNavigation } from "react-router";
import { session, signOut } from "../api/session";
import { Mark } from "../parts/Mark";
import { Pulse } from "./Pulse";
import { ThemeSwitch } from "./ThemeSwitch";
import styles from "./shell.module.css";

const ENTRIES = [
  { to: "/", label: "Overview", Icon: LayoutDashboard },
  { to: "/devices", label: "Devices", Icon: Cpu },
  { to: "/mashups", label: "Mashups", Icon: Workflow },
];

/** What stands around every page: the rail, the state of the connection, who is signed in. */
export function Shell() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { data: who } = useQuery(session);
  const { pathname } = useLocation();
  const busy = useNavigation().state !== "idle";
  const main = useRef<HTMLElement>(null);
  const shown = useRef(pathname);

  useEffect(() => {
    if (who && who.name === null) void navigate("/sign-in", { replace: true });
  }, [who, navigate]);

  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    main.current?.focus({ preventScroll: true }); // a new page begins at its top, for everyone
    window.scrollTo(0, 0);
  }, [pathname]);

  const leave = async () => {
    await signOut(queries);
    await navigate("/sign-in");
  };

  return (
    <div className={styles.frame}>
      <a className={styles.skip} href="#main">
        Skip to the content
      </a>
      <header className={styles.rail}>
        <div className={styles.brand}>
          <Mark />
          <span className={styles.name}>Borough</span>
        </div>
        <nav aria-label="Pages" className={styles.pages}>
          {ENTRIES.map(({ to, label, Icon }) => (
            <NavLink key={to} to={to} end={to === "/"} className={styles.entry!}>
              <Icon size={18} aria-hidden />
              <span>{label}</span>
            </NavLink>
          ))}
        </nav>
        <div className={styles.foot}>
          <Pulse />
          <div className={styles.who}>
            <span className={styles.user} title={who?.name ?? ""}>
              {who?.name}
            </span>
            <ThemeSwitch />
            <Button className={styles.plain!} aria-label="Sign out" onPress={() => void leave()}>
              <LogOut size={18} aria-hidden />
            </Button>
          </div>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1} className={styles.main} aria-busy={busy}>
        <Outlet />
      </main>
    </div>
  );
}
