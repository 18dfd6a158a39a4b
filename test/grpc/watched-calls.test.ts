import { describe, expect, onTestFinished, test } from "vitest";
import { lookInterval, watchedCalls, type WatchedCall } from "../../src/grpc/watched-calls.ts";

const looks = 30_000 / lookInterval;

class Call implements WatchedCall {
  turn: WatchedCall["turn"] = "sender";
  received = 0;
  watchPlace = -1;
  slow = 0;
  limited: number[] = [];
  onSlow = (): void => {};

  endSlow(): void {
    this.slow += 1;
    watchedCalls.forget(this);
    this.onSlow();
  }

  limitReading(milliseconds: number): void {
    this.limited.push(milliseconds);
  }
}

function watch(): Call {
  const call = new Call();
  watchedCalls.watch(call);
  onTestFinished(() => watchedCalls.forget(call));
  return call;
}

function look(times: number, each: () => void = () => {}): void {
  for (let count = 0; count < times; count++) {
    each();
    watchedCalls.look();
  }
}

describe("watched calls", () => {
  test("one of which nothing comes is told so once, after half a minute, and one that drips too", () => {
    const silent = watch();
    const dripping = watch();
    const sending = watch();
    const send = (): void => {
      dripping.received += 100;
      sending.received += 2048 * 2;
    };
    look(looks - 1, send);
    expect([silent.slow, dripping.slow, sending.slow]).toEqual([0, 0, 0]);
    look(1, send);
    expect([silent.slow, dripping.slow, sending.slow]).toEqual([1, 1, 0]);
    look(2 * looks, send);
    expect([silent.slow, dripping.slow, sending.slow]).toEqual([1, 1, 0]);
  });

  test("each keeps its own progress, whichever others come and go", () => {
    const early = watch();
    const others = Array.from({ length: 20 }, watch);
    look(looks - 1, () => {
      for (const other of others) other.received += 10_000;
    });
    const late = watch();
    for (const other of others.slice(0, 15)) watchedCalls.forget(other);
    look(2, () => {
      for (const other of others.slice(15)) other.received += 10_000;
    });
    expect([early.slow, late.slow]).toEqual([1, 0]);
    look(looks - 3);
    expect(late.slow).toBe(0);
    look(1);
    expect(late.slow).toBe(1);
    look(2);
    expect(others.map(({ slow }) => slow)).toEqual(others.map((_, index) => (index < 15 ? 0 : 1)));
  });

  test("one may be forgotten while another is told that it is slow, and twice", () => {
    const calls = Array.from({ length: 10 }, watch);
    const first = calls.at(-1);
    if (first === undefined) throw new Error("no call");
    first.onSlow = () => {
      for (const call of calls) watchedCalls.forget(call);
    };
    look(looks + 5);
    expect(calls.map(({ slow }) => slow)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    watchedCalls.forget(first);
    expect(first.watchPlace).toBe(-1);
  });

  test("an answer's reader is limited once, and whoever serves a call has all the time", () => {
    const reading = watch();
    reading.turn = "reader";
    const served = watch();
    served.turn = "server";
    look(3 * looks);
    expect(reading.limited).toEqual([watchedCalls.longestUnread]);
    expect([reading.slow, served.slow]).toEqual([0, 0]);
  });
});
