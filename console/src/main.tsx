import { render } from "preact";
import { App } from "./app.tsx";
import { startRouter } from "./router.ts";
import { begin, openByLink } from "./session.ts";

const page = document.querySelector("#page");
void begin().then(() => {
  // Another link may be opened in this tab, which loads nothing: before others look at the address.
  addEventListener("hashchange", () => void openByLink());
  startRouter();
});
if (page) render(<App />, page);
