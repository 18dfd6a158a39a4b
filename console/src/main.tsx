import { render } from "preact";
import { App } from "./app.tsx";
import { startRouter } from "./router.ts";
import { begin } from "./session.ts";

const page = document.querySelector("#page");
void begin().then(startRouter);
if (page) render(<App />, page);
