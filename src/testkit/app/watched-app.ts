import { AsyncLocalStorage } from "node:async_hooks";
import type { App, ComponentNames, Delivery, Intake, Outcome } from "../../runtime/app.ts";
import type { Activity } from "./activity.ts";
import type { StandIns } from "./stand-ins.ts";

/** The app of a kit, whose attempts are counted and may be struck by faults. */
export class WatchedApp implements App {
  readonly #app: App;
  readonly #standIns: StandIns;
  readonly #activity: Activity | undefined;
  readonly #isRemote: boolean;
  readonly intake?: Intake;

  constructor(
    app: App,
    standIns: StandIns,
    { activity, isRemote }: { readonly activity?: Activity; readonly isRemote: boolean },
  ) {
    this.#app = app;
    this.#standIns = standIns;
    this.#activity = activity;
    this.#isRemote = isRemote;
    const { intake } = app;
    if (intake !== undefined)
      this.intake = {
        takes: (...lane) => intake.takes(...lane),
        onRoom: (listener) => intake.onRoom(AsyncLocalStorage.bind(listener)),
        get maxInFlight() {
          return intake.maxInFlight;
        },
      };
  }

  get available(): boolean {
    return this.#app.available;
  }

  get unavailableReason(): string {
    return this.#app.unavailableReason;
  }

  get unavailableSince(): Date | undefined {
    return this.#app.unavailableSince;
  }

  get takesOthersOnly(): boolean {
    return this.#app.takesOthersOnly === true;
  }

  onAvailability(listener: () => void): () => void {
    // An app elsewhere is heard of in no context, and what follows is to go by the kit's time.
    return this.#app.onAvailability(AsyncLocalStorage.bind(listener));
  }

  wants(input: { name: string; route: string }, signal: AbortSignal): Promise<boolean> {
    return this.#app.wants(input, signal);
  }

  whyUnwanted(input: { name: string; route: string }): string {
    return this.#app.whyUnwanted?.(input) ?? "";
  }

  async deliver(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    const { input } = this.#standIns.of(delivery.name);
    const actions = this.#standIns.faults.at("attempt", delivery.name);
    input.attempted(delivery.metadata);
    if (actions.some(({ kind }) => kind === "fail"))
      return { kind: "refused", reason: "scripted fault: the app did not handle it" };
    const run = (): Promise<Outcome> => this.#app.deliver(delivery, signal);
    return this.#activity === undefined
      ? run()
      : this.#activity.begin(this.#isRemote ? "remote app" : "app", run);
  }

  of(name: string): App {
    const inner = this.#app.of?.(name) ?? this.#app;
    return new WatchedApp(inner, this.#standIns, {
      ...(this.#activity && { activity: this.#activity }),
      isRemote: this.#isRemote,
    });
  }

  componentsChanged(components: ComponentNames): void {
    this.#app.componentsChanged?.(components);
  }

  async close(): Promise<void> {
    await this.#app.close();
  }
}
