import type { JSX } from "preact";
import { count } from "./format.ts";
import { go, link, route } from "./router.ts";
import { close, daemons, mayChange, version } from "./session.ts";
import { theme, type Theme } from "./theme.ts";

const pages = [
  ["overview", "Overview"],
  ["events", "Events"],
  ["dead-letters", "Dead letters"],
  ["reloads", "Reloads"],
  ["types", "Types"],
  ["doctor", "Doctor"],
] as const;

/** The bar with the pages, the daemons and the settings of this page. */
export function Navigation(): JSX.Element {
  const { daemon: index, page } = route.value;
  const current = daemons.value[index] ?? daemons.value[0];
  const at = current?.index ?? 0;
  return (
    <header class="side">
      <p class="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <circle cx="12" cy="16" r="6" />
          <circle cx="20" cy="16" r="6" />
        </svg>
        Cufflink
      </p>
      {daemons.value.length > 1 && (
        <label class="daemon-choice">
          <span>Daemon</span>
          <select
            value={String(at)}
            onChange={(event) => {
              const chosen = Number(event.currentTarget.value);
              go(link(chosen, page === "overview" || page === "components" ? "events" : page));
            }}
          >
            {daemons.value.map(({ index, name }) => (
              <option key={index} value={String(index)} selected={index === at}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      <nav aria-label="Pages">
        <ul>
          {pages.map(([name, title]) => {
            const active = page === name || (name === "overview" && page === "components");
            const letters = name === "dead-letters" ? (current?.live.deadLetters.value ?? 0) : 0;
            return (
              <li key={name}>
                <a href={link(at, name)} aria-current={active ? "page" : undefined}>
                  {title}
                  {letters > 0 && <span class="tally">{count(letters)}</span>}
                </a>
              </li>
            );
          })}
        </ul>
      </nav>
      <div class="side-foot">
        {!mayChange.value && <p class="read-only">Read-only token</p>}
        <label class="theme-choice">
          <span class="hidden">Colours</span>
          <select
            value={theme.value}
            onChange={(event) => (theme.value = event.currentTarget.value as Theme)}
          >
            <option value="system">As the system</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <button type="button" class="button small" onClick={() => close()}>
          Forget the token
        </button>
        <p class="version">Version {version.value}</p>
      </div>
    </header>
  );
}
