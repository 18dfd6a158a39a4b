// Stores dead letters in the folder it is told, 16 at a time, and prints a line for each that is safe and for each
// that is not. With a number: so many, then nothing more is done, and the process ends when nothing holds it.
import { createStore } from "../../../src/store/open-store.ts";
import { deadLetter, deadLetterId } from "../records.ts";

const [folder, count = "Infinity"] = process.argv.slice(2);
const store = createStore({ folder });
let left = Number(count);

async function write(): Promise<void> {
  while (left-- > 0) {
    const id = deadLetterId();
    try {
      await store.deadLetters.put(deadLetter({ id, event: { data: Buffer.alloc(1024, id) } }), id);
      process.stdout.write(`stored ${id}\n`);
    } catch (error) {
      process.stdout.write(`failed ${error instanceof Error ? error.message : String(error)}\n`);
      if (left === Infinity) await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

await Promise.all(Array.from({ length: 16 }, write));
