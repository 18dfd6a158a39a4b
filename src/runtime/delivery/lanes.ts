import { clock } from "../../clock.ts";
import { longestTimer } from "../../metadata/duration.ts";
import type { Entry } from "./entry.ts";
import { TurnoverMap } from "../../memory/turnover-map.ts";
import { Lane } from "./lane.ts";
import { ReadyLanes } from "./ready-lanes.ts";

/** The lanes of a component, with those in line to dispatch, and how many events wait in them. */
export class Lanes {
  readonly #byKey = new TurnoverMap<string, Lane>();
  /** By their numbers. */
  readonly #keyless = new TurnoverMap<number, Lane>();
  readonly #ready = new ReadyLanes();
  readonly #pipelines: boolean;
  #queued = 0;
  #parked = 0;

  /** `pipelines`: the app may have several events of a lane at one time. */
  constructor(pipelines: boolean) {
    this.#pipelines = pipelines;
  }

  /** Events that could be dispatched and are not yet: what room for more is measured by. */
  get queued(): number {
    return this.#queued;
  }

  /** Events in lanes that wait for a pause to be over. */
  get parked(): number {
    return this.#parked;
  }

  /** The first in line. */
  get first(): Lane | undefined {
    return this.#ready.first;
  }

  get all(): Lane[] {
    return [...this.#byKey.values(), ...this.#keyless.values()];
  }

  /** Those of which nothing is out. */
  get idle(): Lane[] {
    return this.all.filter((lane) => lane.out === 0);
  }

  /** Puts an event behind those of its key; without one it has a lane of its own. */
  enter(entry: Entry, key: string | undefined): Lane {
    let lane = key === undefined ? undefined : this.#byKey.get(key);
    if (lane === undefined) {
      lane = new Lane(key);
      if (key === undefined) this.#keyless.set(lane.number, lane);
      else this.#byKey.set(key, lane);
    }
    lane.entries.push(entry);
    if (lane.place === "parked") this.#parked++;
    else this.#queued++;
    this.list(lane);
    return lane;
  }

  /** Puts a lane in line when it has something to dispatch. */
  list(lane: Lane): void {
    if (lane.place !== "idle") return;
    const { next } = lane;
    if (next === undefined) return;
    // The lane begins again behind an exhausted event, so that nothing may be out with it.
    if (lane.out > 0 && (!this.#pipelines || next.exhausted !== undefined)) return;
    if (next.needsApp) this.#ready.push(lane);
    else this.#ready.putFirst(lane);
  }

  /** Puts a lane at the front of the line. */
  listFirst(lane: Lane): void {
    if (lane.place === "aside") this.#ready.takeUp(lane);
    this.#ready.putFirst(lane);
  }

  /** Takes the first out of the line: it has nothing to dispatch. */
  shift(): void {
    this.#ready.shift();
  }

  /** Puts the first aside, until the app takes more, or one of the lane's events has come back. */
  putAside(): void {
    this.#ready.putAside();
  }

  /** Puts all that were put aside in line. */
  listAside(): void {
    this.#ready.listAside();
  }

  /** An event of the lane has come back. */
  goOn(lane: Lane): void {
    if (lane.place === "aside") this.#ready.takeUp(lane);
    this.list(lane);
  }

  /** Takes the first out of the line until {@link release}. */
  hold(lane: Lane): void {
    this.#ready.shift();
    lane.place = "held";
  }

  release(lane: Lane): void {
    if (lane.place !== "held") return;
    lane.place = "idle";
    this.list(lane);
  }

  /** The next event of a lane goes out, which is mostly the first in line. */
  dispatched(lane: Lane): void {
    if (this.#ready.first === lane) this.#ready.shift();
    else this.#ready.remove(lane);
    this.#queued--;
    lane.sent++;
    lane.out++;
  }

  /** All that was sent of the lane is to be sent again, in a new epoch. */
  rewind(lane: Lane): void {
    lane.ending = false;
    lane.epoch = (lane.epoch + 1) >>> 0;
    this.#queued += lane.sent;
    lane.sent = 0;
  }

  /** Takes out an event that is not out. */
  remove(lane: Lane, entry: Entry): void {
    lane.remove(entry);
    if (lane.place === "parked") this.#parked--;
    else this.#queued--;
  }

  /** Takes out an event, unless it is out, and forgets its lane where it was the last. False: it is out. */
  withdraw(lane: Lane, entry: Entry): boolean {
    if (lane.entries.indexOf(entry) < lane.sent) return false;
    this.remove(lane, entry);
    if (lane.entries.length === 0) this.forget(lane);
    return true;
  }

  /**
   * Takes out an event, unless it is out, and with it those behind it, which must not overtake it. A dead letter
   * that is redriven stays: it is not its source's. What is left of the lane's pause is the first one's.
   */
  withdrawFrom(lane: Lane, entry: Entry): Entry[] {
    const index = lane.entries.indexOf(entry);
    if (index < lane.sent) return [];
    if (lane.place === "parked") entry.pause = Math.max(0, lane.parkedUntil - clock.now());
    const taken = lane.entries.slice(index).filter(({ redriven }) => redriven === undefined);
    for (const one of taken) this.remove(lane, one);
    if (lane.entries.length === 0) this.forget(lane);
    return taken;
  }

  /** Takes out all events of a lane of which nothing is out, and forgets it. */
  empty(lane: Lane): Entry[] {
    if (lane.place === "parked") this.#parked -= lane.entries.length;
    else this.#queued -= lane.undispatched;
    const entries = lane.entries.splice(0);
    this.forget(lane);
    return entries;
  }

  /** Leaves the lane alone for a while, in milliseconds. */
  park(lane: Lane, pause: number, then: () => void): void {
    this.#ready.remove(lane);
    lane.place = "parked";
    lane.parkedUntil = clock.now() + pause;
    this.#queued -= lane.entries.length;
    this.#parked += lane.entries.length;
    lane.timer = clock.setTimeout(
      () => {
        lane.timer = undefined;
        lane.place = "idle";
        this.#parked -= lane.entries.length;
        this.#queued += lane.entries.length;
        this.list(lane);
        then();
      },
      Math.min(pause, longestTimer),
    );
  }

  /** Nothing is left of it. */
  forget(lane: Lane): void {
    if (lane.timer !== undefined) clock.clearTimeout(lane.timer);
    this.#ready.remove(lane);
    if (lane.key === undefined) this.#keyless.delete(lane.number);
    else this.#byKey.delete(lane.key);
  }
}
