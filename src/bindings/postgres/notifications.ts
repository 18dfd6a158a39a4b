import type { InboundEvent, Reader, Reading } from "../../binding.ts";
import type { PostgresConnection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import type { postgresFields } from "./fields.ts";
import { InputClient } from "./input-client.ts";
import { Intake } from "./intake.ts";
import { identifier } from "./quoting.ts";
import { Statement } from "./statement.ts";

/** How often an idle connection is asked for a sign of life, and how long that may take, in milliseconds. */
const askInterval = 10_000;
const answerTimeout = 20_000;

type Notification = {
  readonly processId: number;
  readonly channel: string;
  readonly payload?: string | undefined;
};

/** Listens to channels. What is sent while nobody listens is lost. */
export async function readNotifications(
  driver: Driver,
  database: PostgresConnection,
  reading: Reading<typeof postgresFields>,
): Promise<NotificationReader> {
  const { channels = [] } = reading.metadata;
  const what = "the channels cannot be listened to";
  const begun: { reader?: NotificationReader } = {};
  const client = await InputClient.open(
    {
      ...{ driver, what, settings: database.settings },
      lost: (error) => begun.reader?.lose(error),
    },
    reading.signal,
  );
  const reader = new NotificationReader(client, reading);
  begun.reader = reader;
  try {
    const listen = channels.map((name) => `LISTEN ${identifier(name)}`).join("; ");
    await client.within(answerTimeout, client.client.query(listen));
  } catch (error) {
    await reader.close();
    throw client.failure(error);
  }
  reading.logger.info(
    { channels },
    "listening: notifications that are sent while this process is not connected are lost",
  );
  return reader;
}

export class NotificationReader implements Reader {
  readonly #client: InputClient;
  readonly #reading: Reading<typeof postgresFields>;
  readonly #intake: Intake<Notification>;
  readonly #timer: NodeJS.Timeout;
  #isStopped = false;
  #isOver = false;

  constructor(client: InputClient, reading: Reading<typeof postgresFields>) {
    this.#client = client;
    this.#reading = reading;
    this.#intake = new Intake(
      client.connection.stream,
      async (notifications) => {
        if (!this.#isStopped) await reading.deliver(notifications.map(eventOf));
      },
      (error) => this.lose(error),
    );
    client.client.on("notification", (notification: Notification) => {
      if (!this.#isStopped) this.#intake.add(notification);
    });
    this.#timer = setInterval(() => void this.#ask(), askInterval);
  }

  stop(): void {
    this.#isStopped = true;
    this.#intake.stop();
  }

  /** There is nothing to confirm. */
  flush(): void {}

  async close(): Promise<void> {
    this.#end();
    await this.#client.close();
  }

  lose(error: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#client.lose(error);
    this.#reading.lost(this.#client.failure(error));
  }

  #end(): void {
    this.#isOver = true;
    this.stop();
    clearInterval(this.#timer);
  }

  /** A connection that is dead brings nothing, as an idle one does. */
  async #ask(): Promise<void> {
    if (this.#intake.isBusy || this.#isOver) return;
    const late = setTimeout(() => {
      if (!this.#intake.isBusy) this.lose(new Error("the server is silent"));
    }, answerTimeout);
    try {
      await this.#client.client.query(new Statement({ text: "", keepsRows: false, onRow() {} }))
        .done;
    } catch (error) {
      this.lose(error);
    } finally {
      clearTimeout(late);
    }
  }
}

function eventOf({ processId, channel, payload = "" }: Notification): InboundEvent {
  return {
    data: Buffer.from(payload),
    metadata: { channel, processId: String(processId) },
    headers: [],
    settle() {},
  };
}
