import { connect as connectSocket, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { Plain, Preparation, textPayload, type Prepared } from "./commands.ts";
import type { Driver, DriverConnection } from "./driver.ts";
import type { Settings } from "./settings.ts";
import { Statement, type Command, type StatementOptions, type Outcome } from "./statement.ts";

const withoutFlags = ["FOUND_ROWS", "ODBC", "LOCAL_FILES", "IGNORE_SPACE", "SESSION_TRACK"];

/** One connection to the server. The driver makes it and logs in; commands and answers are read here. */
export class Client {
  readonly #connection: DriverConnection;
  readonly #settings: Settings;
  readonly made = performance.now();
  #isBroken = false;
  #onBroken: (() => void) | undefined;

  private constructor(connection: DriverConnection, settings: Settings) {
    this.#connection = connection;
    this.#settings = settings;
    const broken = (): void => {
      this.#isBroken = true;
      this.#onBroken?.();
    };
    connection.on("error", broken);
    connection.on("end", broken);
    connection.stream.on("close", broken);
  }

  /** Connects and logs in. Rejects with what the driver or the server says. */
  static async connect(driver: Driver, settings: Settings, signal: AbortSignal): Promise<Client> {
    const connection = create(driver, settings);
    const made = Promise.withResolvers<void>();
    const abort = (): void => made.reject(signal.reason);
    connection.on("connect", () => made.resolve());
    connection.on("error", (error) => made.reject(error));
    connection.on("end", () => made.reject(new Error("the server closed the connection")));
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      await made.promise;
      return new Client(connection, settings);
    } catch (error) {
      connection.stream.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** What the server knows the connection by. */
  get id(): number | null {
    return this.#connection.threadId;
  }

  get stream(): DriverConnection["stream"] {
    return this.#connection.stream;
  }

  get isBroken(): boolean {
    return this.#isBroken || this.stream.destroyed || !this.stream.writable;
  }

  /** Told once the connection has broken, while nobody else is. */
  set onBroken(listener: (() => void) | undefined) {
    this.#onBroken = listener;
  }

  prepare(sql: string): Promise<Prepared> {
    return this.#run(new Preparation(sql));
  }

  statement(options: Omit<StatementOptions, "zone" | "namesTables">): Promise<Outcome> {
    const { zone, source } = this.#settings;
    return this.#run(new Statement({ ...options, zone, namesTables: source.namesTables }));
  }

  /** Runs a statement of which nothing is wanted. */
  async run(sql: string): Promise<Outcome> {
    const more = { isPrepared: false, keepsRows: true, onRow() {} };
    return this.statement({ payload: textPayload(sql), ...more });
  }

  ping(): Promise<void> {
    return this.#run(Plain.ping());
  }

  /** Makes the session what it is after the login. */
  async begin(): Promise<void> {
    for (const sql of this.#settings.session) await this.run(sql);
  }

  /** Undoes what a call has changed of the session. */
  async reset(): Promise<void> {
    await this.#run(Plain.reset());
    await this.begin();
  }

  destroy(): void {
    this.#isBroken = true;
    this.stream.destroy();
  }

  /** Tells the server that the connection ends. */
  close(): void {
    if (this.isBroken) return this.destroy();
    this.#isBroken = true;
    // A packet of its own, of which there is no answer.
    this.stream.end(Buffer.of(1, 0, 0, 0, 1));
    setTimeout(() => this.stream.destroy(), 1000).unref();
  }

  #run<Answer>(command: Command<Answer>): Promise<Answer> {
    if (this.isBroken) command.onResult(new Error("the connection is closed"));
    else this.#connection.addCommand(command);
    return command.done;
  }
}

function create(driver: Driver, settings: Settings): DriverConnection {
  const { source, tls, timeout, attributes } = settings;
  const { address, user, password, database } = source;
  const stream =
    "path" in address
      ? connectSocket(address.path)
      : connectSocket({ ...address, noDelay: true, keepAlive: true });
  const flags = withoutFlags
    .filter((flag) => flag !== "FOUND_ROWS" || !source.countsFoundRows)
    .map((flag) => `-${flag}`);
  const connection = driver.createConnection({
    stream,
    ...(user === "" ? {} : { user }),
    ...(password === "" ? {} : { password }),
    ...(database === "" ? {} : { database }),
    ...(tls === undefined ? {} : { ssl: {} }),
    ...("path" in address ? { socketPath: address.path } : { host: address.host }),
    charset: "UTF8MB4_GENERAL_CI",
    connectTimeout: timeout,
    flags: [...flags, "-CLIENT_QUERY_ATTRIBUTES"],
    multipleStatements: source.isMultiple,
    enableCleartextPlugin: source.allowsCleartextPassword,
    connectAttributes: attributes,
  }) as unknown as DriverConnection;
  if (tls !== undefined)
    connection.startTLS = (onSecure) => startTls(connection, settings, onSecure);
  return connection;
}

/** In the driver's place, which checks no certificate against an address. */
function startTls(
  connection: DriverConnection,
  { tls }: Settings,
  onSecure: (error?: Error) => void,
): void {
  connection.stream.removeAllListeners("data");
  const name = tls?.host;
  const secure = connectTls({
    ...tls,
    socket: connection.stream,
    ...(name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
  });
  let isSecure = false;
  secure.once("secureConnect", () => {
    isSecure = true;
    onSecure();
  });
  secure.on("error", (error) => {
    if (isSecure) connection._handleNetworkError(error);
    else onSecure(error);
  });
  secure.once("close", () =>
    connection._handleNetworkError(new Error("the connection was closed")),
  );
  secure.on("data", (data: Buffer) => connection.packetParser.execute(data));
  connection.stream = secure;
}
