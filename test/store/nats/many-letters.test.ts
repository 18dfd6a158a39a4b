import { expect, test } from "vitest";
import { describeWith, uniqueName } from "../../servers/describe-with.ts";
import { natsEngine } from "../engines.ts";
import { deadLetter } from "../records.ts";

describeWith("nats", ({ url }) => {
  test("more dead letters than one request brings are listed, also those that come later", async () => {
    const store = natsEngine(url).open(uniqueName("many"));
    const put = async (from: number, to: number): Promise<void> => {
      const numbers = Array.from({ length: to - from }, (_, index) => from + index);
      await Promise.all(
        numbers.map((number) =>
          store.deadLetters.put(
            { ...deadLetter(), id: `letter-${number}`, identity: `orders/${number}` },
            "f",
          ),
        ),
      );
    };
    await put(0, 20);
    // From here on the list is followed.
    expect(await store.deadLetters.list({}, { limit: 1000 })).toHaveLength(20);
    await put(20, 300);
    expect(await store.deadLetters.list({}, { limit: 1000 })).toHaveLength(300);
    for (let number = 300; number < 310; number++) {
      await put(number, number + 1);
      expect(await store.deadLetters.list({}, { limit: 1000 })).toHaveLength(number + 1);
    }
    await store.close();
  });
});
