import { effect, signal } from "@preact/signals";

/** Light, dark, or as the system says. */
export type Theme = "system" | "light" | "dark";

const key = "cufflink-theme";

/** The theme that is chosen. Kept in this browser. */
export const theme = signal<Theme>(stored());

effect(() => {
  if (theme.value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
  try {
    localStorage.setItem(key, theme.value);
  } catch {
    // A browser may refuse to keep anything.
  }
});

function stored(): Theme {
  try {
    const value = localStorage.getItem(key);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}
