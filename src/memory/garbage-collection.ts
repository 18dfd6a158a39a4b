import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { MemoryBudget } from "./budget.ts";

type Collect = (options: { type: "minor" | "major" }) => void;

let collect: Collect | undefined;

/** Has the engine free what nobody refers to any more. Minor: among what is young, in about half a millisecond. */
export function collectGarbage(type: "minor" | "major"): void {
  collect ??= exposed();
  collect({ type });
}

function exposed(): Collect {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collect;
}

/** A start that takes longer than so many milliseconds waits for somebody, and events come meanwhile. */
const longestStart = 10_000;

/**
 * From now on the part of the heap for what is young does not grow: what a start leaves is garbage, and the engine never
 * gives back the room that it took for it. It ends by itself where the start does not. Returns what ends it: it grows
 * then, but not far.
 */
export function keepYoungSmall(): () => void {
  setYoungGrowth(1);
  const end = (): void => {
    clearTimeout(timer);
    growYoungALittle();
  };
  const timer = setTimeout(end, longestStart).unref();
  return end;
}

/**
 * From so many bytes on it is not let grow. By itself the engine goes to 32 MiB, of which it holds two and which it fills
 * before it looks; calls live so shortly that this is collected as cheaply.
 */
const enoughForCalls = 4 * 1024 * 1024;
/**
 * Events of a stream wait for their settlements by the thousand. In as little as is enough for calls they would not die
 * young, which takes an eighth of the rate.
 */
const enoughForStreams = 8 * 1024 * 1024;
let enoughForYoung = enoughForCalls;
/** Growth is decided here, not by the engine. */
let isBounded = false;
let watching: PerformanceObserver | undefined;

/** From now on there are event streams. */
export function makeRoomForStreams(): void {
  if (enoughForYoung === enoughForStreams) return;
  enoughForYoung = enoughForStreams;
  if (isBounded) growYoungALittle();
}

/** Lets it grow until it is large enough, after a start and wherever a collection has made it small. */
function growYoungALittle(): void {
  isBounded = true;
  if (youngCapacity() >= enoughForYoung) return;
  setYoungGrowth(2);
  if (watching !== undefined) return;
  watching = new PerformanceObserver(() => {
    if (youngCapacity() < enoughForYoung) return;
    setYoungGrowth(1);
    watching?.disconnect();
    watching = undefined;
  });
  watching.observe({ entryTypes: ["gc"] });
}

function setYoungGrowth(factor: number): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

function youngCapacity(): number {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
  return young === undefined ? 0 : young.space_used_size + young.space_available_size;
}

/** How many bytes go by between two collections of what is young. */
const passedBetween = 8 * 1024 * 1024;
/** What had to wait for its turn is not young any more: so many collections, and the next one looks at all. */
const minorBetween = 15;
let passed = 0;
let minor = 0;

/**
 * Has the buffers of bytes that were copied or thrown away freed, now and then: the engine sees how small their objects
 * are and not what they hold.
 */
export function bytesPassed(bytes: number): void {
  passed += bytes;
  if (passed < passedBetween) return;
  passed = 0;
  const isMajor = ++minor > minorBetween;
  if (isMajor) minor = 0;
  collectGarbage(isMajor ? "major" : "minor");
}

/** How often it is looked whether there is something to free, in milliseconds. */
const interval = 10_000;
/** So much more than after the last collection is worth another, in bytes. */
const worth = 24 * 1024 * 1024;
/** Fewer bytes than these in an interval are quiet. */
const quiet = 1024 * 1024;

/**
 * Frees the memory of bodies that are gone once nothing comes any more: the engine looks when something new is
 * made, and until then the process stays as large as the largest attack on it. `release` is called first. Returns what ends it.
 */
export function collectWhenQuiet(
  budget: Pick<MemoryBudget, "reserved" | "used">,
  release: () => void,
  residentBytes: () => number = () => process.memoryUsage.rss(),
): () => void {
  let { reserved, used } = budget;
  let base = residentBytes();
  const timer = setInterval(() => {
    const passed = budget.reserved - reserved;
    reserved += passed;
    const resident = residentBytes();
    base = Math.min(base, resident);
    // What was held at the last collection, and is not any more, is in the base.
    if (passed >= quiet || Math.max(resident - base, used - budget.used) < worth) return;
    release();
    collectGarbage("major");
    growYoungALittle();
    base = residentBytes();
    ({ used } = budget);
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
