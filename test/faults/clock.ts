// Preloaded into the runtime: its wall clock is wrong by as many milliseconds as the file says that
// CUFFLINK_TEST_CLOCK names. The monotonic clock and timers go on, as they do when an operator sets the time.
import { readFileSync } from "node:fs";

const file = process.env["CUFFLINK_TEST_CLOCK"] ?? "";
const RealDate = Date;
const realNow = RealDate.now.bind(RealDate);
let offset = 0;

function read(): void {
  try {
    offset = Number(readFileSync(file, "utf8")) || 0;
  } catch {
    offset = 0;
  }
}

read();
setInterval(read, 50).unref();

const now = (): number => realNow() + offset;
globalThis.Date = new Proxy(RealDate, {
  construct(target, given: unknown[], newTarget) {
    return Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget) as object;
  },
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) =>
    name === "now" ? now : (Reflect.get(target, name, receiver) as unknown),
});
