import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Daemon } from "./daemon.ts";
import { Navigation } from "./navigation.tsx";
import { ComponentPage } from "./pages/component.tsx";
import { DeadLetterPage } from "./pages/dead-letter.tsx";
import { DeadLettersPage } from "./pages/dead-letters.tsx";
import { DoctorPage } from "./pages/doctor.tsx";
import { EventsPage } from "./pages/events.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { RedriveProgress } from "./pages/redrive-progress.tsx";
import { ReloadsPage } from "./pages/reloads.tsx";
import { TokenPage, UnreachablePage } from "./pages/token.tsx";
import { TypePage, TypesPage } from "./pages/types.tsx";
import { link, route } from "./router.ts";
import { daemons, state } from "./session.ts";
import { Announcements } from "./ui/announce.tsx";
import { ConnectionBar } from "./ui/connection-bar.tsx";
import { Questions } from "./ui/dialog.tsx";
import { Empty, Loading, PageHead } from "./ui/parts.tsx";

/** The whole page. */
export function App(): JSX.Element {
  const now = state.value;
  if (now.step === "opening") return <Loading />;
  if (now.step === "token") return <TokenPage problem={now.problem} />;
  if (now.step === "unreachable") return <UnreachablePage problem={now.problem} />;
  return (
    <div class="shell">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>("h1")?.focus();
        }}
      >
        Skip to the content
      </a>
      <Navigation />
      <div class="content">
        <ConnectionBar />
        <main id="main">
          <Page />
        </main>
      </div>
      <aside class="corner" aria-label="Messages">
        <RedriveProgress />
        <Announcements />
      </aside>
      <Questions />
    </div>
  );
}

function Page(): JSX.Element {
  const { daemon: index, page, id, part } = route.value;
  const place = `${index}/${page}/${id}`;
  const first = useRef(true);
  useEffect(() => {
    const heading = document.querySelector("h1");
    document.title = `${heading?.textContent ?? "Console"} · Cufflink`;
    // A page that is opened begins with its heading; the first one begins where the browser begins.
    if (!first.current) {
      scrollTo(0, 0);
      heading?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [place, part]);
  if (page === "overview") return <OverviewPage />;
  const daemon = daemons.value[index];
  if (daemon === undefined) return <Unknown />;
  return <DaemonPage key={place} daemon={daemon} page={page} id={id} />;
}

function DaemonPage(props: { daemon: Daemon; page: string; id: string }): JSX.Element {
  const { daemon, page, id } = props;
  switch (page) {
    case "components":
      return <ComponentPage daemon={daemon} name={id} />;
    case "events":
      return <EventsPage daemon={daemon} />;
    case "dead-letters":
      return id === "" ? (
        <DeadLettersPage daemon={daemon} />
      ) : (
        <DeadLetterPage daemon={daemon} id={id} />
      );
    case "reloads":
      return <ReloadsPage daemon={daemon} />;
    case "types":
      return id === "" ? <TypesPage daemon={daemon} /> : <TypePage daemon={daemon} name={id} />;
    case "doctor":
      return <DoctorPage daemon={daemon} />;
    default:
      return <Unknown />;
  }
}

function Unknown(): JSX.Element {
  return (
    <>
      <PageHead title="Nothing here" />
      <Empty title="This address leads nowhere.">
        <a href={link(0, "overview")}>To the overview</a>
      </Empty>
    </>
  );
}
