import type { Lane } from "./lane.ts";

/** The lanes that have something to dispatch, in line, and those that the app takes nothing of at the moment. */
export class ReadyLanes {
  #line: Lane[] = [];
  #head = 0;
  /** How many in the line were removed since it was last cleared of such, at most. */
  #removed = 0;
  readonly #aside = new Set<Lane>();

  /** The first in line. */
  get first(): Lane | undefined {
    let lane = this.#line[this.#head];
    // One that was removed stays in the array, for taking it out there would cost the length of the line.
    while (lane !== undefined && lane.place !== "listed") lane = this.#line[++this.#head];
    return lane;
  }

  /** Puts a lane at the end of the line. */
  push(lane: Lane): void {
    lane.place = "listed";
    this.#line.push(lane);
  }

  /** Puts a lane at the front. */
  putFirst(lane: Lane): void {
    if (lane.place === "listed") return;
    lane.place = "listed";
    if (this.#head > 0) this.#line[--this.#head] = lane;
    else this.#line.unshift(lane);
  }

  /** Takes the first out of the line. */
  shift(): void {
    const lane = this.first;
    if (lane === undefined) return;
    lane.place = "idle";
    this.#head++;
    if (this.#head > 256 && this.#head * 2 > this.#line.length) {
      this.#line = this.#line.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Puts the first of the line aside. */
  putAside(): void {
    const lane = this.first;
    this.shift();
    if (lane === undefined) return;
    lane.place = "aside";
    this.#aside.add(lane);
  }

  /** Takes up a lane that was put aside, without putting it in line. */
  takeUp(lane: Lane): void {
    this.#aside.delete(lane);
    lane.place = "idle";
  }

  /** Puts all that were put aside in line. */
  listAside(): void {
    for (const lane of this.#aside) this.push(lane);
    this.#aside.clear();
  }

  /** Takes a lane out, wherever it is. */
  remove(lane: Lane): void {
    if (lane.place === "aside") this.#aside.delete(lane);
    const wasListed = lane.place === "listed";
    lane.place = "idle";
    if (!wasListed || ++this.#removed < 256) return;
    if (this.#removed * 2 > this.#line.length - this.#head) this.#clear();
  }

  /** While the app is away the first may stay for hours, and any number come and go behind it. */
  #clear(): void {
    const listed = this.#line.slice(this.#head).filter(({ place }) => place === "listed");
    this.#line = [...new Set(listed)];
    this.#head = 0;
    this.#removed = 0;
  }
}
