import type { Checkpoint, Reading } from "../../binding.ts";
import { delay } from "../../delay.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { ChangeReader } from "./change-reader.ts";
import type { PostgresConnection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { isServerError } from "./failures.ts";
import type { postgresFields } from "./fields.ts";
import { HandledChanges } from "./handled-changes.ts";
import { InputClient } from "./input-client.ts";
import { identifier, literal } from "./quoting.ts";
import * as slots from "./replication-slot.ts";
import type { AskCatalog } from "./tables.ts";

/** How often the server hears of a reader, in milliseconds, unless it asks for more by its time-out. */
const longestInterval = 5_000;
/** How long it is waited for another reader to leave the slot, in milliseconds. */
const slotPatience = 3_000;
const slotPause = 100;
/** How long the server may take to answer, in milliseconds; to make a slot it has all the time it needs. */
const answerTimeout = 20_000;
/** The server says this of a slot that another connection reads. */
const inUse = "55006";
/** And this of one that it has given up. */
const given = "55000";

/** Reads the changes that publications name, by a replication slot that is made where it is not there. */
export async function readChanges(
  driver: Driver,
  database: PostgresConnection,
  reading: Reading<typeof postgresFields>,
): Promise<ChangeReader> {
  const { slot = "", publications = [] } = reading.metadata;
  const what = `the changes of slot ${slot} cannot be read`;
  const { signal } = reading;
  let reader: ChangeReader | undefined;
  let isLost: BindingError | undefined;
  const client = await InputClient.open(
    {
      ...{ driver, what, settings: database.settings, replicates: true },
      lost(error) {
        isLost ??= error;
        reader?.lose(error);
      },
    },
    signal,
  ).catch((error: unknown) => {
    throw slots.readingFailure(error, what);
  });
  const abort = (): void => client.lose(new Error("the reading has ended"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    const server = await client.within(answerTimeout, slots.identify(client));
    const { senderTimeout } = await client.within(
      answerTimeout,
      slots.checkServer(client, publications, server),
    );
    await client.within(answerTimeout, tellOfIdentities(client, reading, publications));
    const { system, timeline, database: name } = server;
    const source = [system, timeline, name, slot, ...publications].join("\n");
    const checkpoint = await reading.checkpoints.open("position", source);
    await provideSlot(client, reading, slot, server, checkpoint.position);
    const interval = Math.min(longestInterval, senderTimeout / 3 || longestInterval);
    const ask: AskCatalog = async (text, parameter) => {
      const asked = { text, values: [parameter] };
      const outcome = await database.run({
        ...{ statement: asked, keepsRows: true, isReadOnly: false, mayBePlain: false },
        signal: AbortSignal.timeout(database.settings.timeout),
      });
      return outcome.rows;
    };
    const handled = new HandledChanges(checkpoint);
    const isServed = async (): Promise<boolean> =>
      (await ask(slots.readerQuery, slot)).includes(`[${client.processId}]`);
    reader = new ChangeReader({
      ...{ client, reading, what, ask, server, handled, interval, isServed },
    });
    await begin(reader, client, slot, publications, signal);
    if (isLost !== undefined) throw isLost;
    return reader;
  } catch (error) {
    await (reader ?? client).close();
    throw slots.readingFailure(isLost ?? client.failure(error), what);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Starts, once nobody else reads by the slot: at a change of the component the reader before is just leaving. */
async function begin(
  reader: ChangeReader,
  client: InputClient,
  slot: string,
  publications: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const names = literal(publications.map(identifier).join(","));
  const patience = performance.now() + slotPatience;
  for (;;) {
    try {
      const starting = reader.start(
        (from) =>
          `START_REPLICATION SLOT ${identifier(slot)} LOGICAL ${from} (proto_version '1', publication_names ${names})`,
      );
      return await client.within(answerTimeout, starting);
    } catch (error) {
      if (!isServerError(error)) throw error;
      if (error.code === given) throw slots.invalidated(slot, error.message);
      if (error.code !== inUse) throw error;
      if (performance.now() > patience) {
        const who = await slots.readerOf(client, slot);
        throw new BindingError(
          "failed_precondition",
          `replication slot ${slot} is in use by ${who}; it is tried again, and works once that one has left`,
          { effect: "unsent", systemCode: inUse },
        );
      }
      await delay(slotPause, signal);
      if (signal.aborted) throw error;
    }
  }
}

/** The slot is there, or made. One that was read before and is gone is not made anew: changes would be missed silently. */
async function provideSlot(
  client: InputClient,
  reading: Reading<typeof postgresFields>,
  slot: string,
  server: slots.ServerIdentity,
  position: string | undefined,
): Promise<void> {
  const { system, database } = server;
  const known = await reading.checkpoints.open("slot", [system, database, slot].join("\n"));
  if (await slots.findSlot(client, slot, server)) return remember(known, reading);
  if (known.position !== undefined) throw slots.gone(slot, position);
  reading.report?.(
    `replication slot ${slot} is being made, for which the server waits until the transactions under way have ended`,
    true,
  );
  if (await slots.createSlot(client, slot))
    reading.logger.info(
      { slot },
      "replication slot made: events begin with what is committed from now on, and the server keeps its log for the slot until that is dropped",
    );
  reading.report?.("", false);
  await remember(known, reading);
}

async function remember(
  known: Checkpoint,
  { logger }: Reading<typeof postgresFields>,
): Promise<void> {
  if (known.position !== undefined) return;
  known.advance("read")();
  await known
    .flush()
    .catch((error: unknown) =>
      logger.warn(
        { reason: messageOf(error) },
        "it cannot be noted that the replication slot is read: if it is dropped, a new one is made",
      ),
    );
}

async function tellOfIdentities(
  client: InputClient,
  reading: Reading<typeof postgresFields>,
  publications: readonly string[],
): Promise<void> {
  const tables = await slots.tablesWithoutIdentity(client, publications);
  if (tables.length === 0) return;
  const shown = [...tables.slice(0, 10), ...(tables.length > 10 ? ["…"] : [])].join(", ");
  reading.notice(
    `the server refuses updates and deletes of ${shown}: published, and without a replica identity. Add a primary key, use ALTER TABLE … REPLICA IDENTITY FULL, or publish inserts alone`,
  );
}
