import type { TickOwner, TickRecords } from "../../tick-records.ts";
import type { CheckpointStore } from "../../store/store.ts";
import type { Ownership } from "../ownership.ts";

/** The partition of the component's checkpoints that has its ticks. */
const partition = "ticks";

/** The ticks of one component, as a checkpoint in the store. */
export class ComponentTicks implements TickRecords {
  readonly #store: CheckpointStore | undefined;
  readonly #component: string;
  readonly owner: TickOwner | undefined;

  /** Without a store nothing is kept. */
  constructor(
    store: CheckpointStore | undefined,
    component: string,
    ownership: Ownership | undefined,
  ) {
    this.#store = store;
    this.#component = component;
    this.owner = ownership;
  }

  async load(fingerprint: string): Promise<string | undefined> {
    const stored = await this.#store?.load(this.#component, partition);
    return stored?.fingerprint === fingerprint ? stored.position : undefined;
  }

  async put(fingerprint: string, position: string): Promise<void> {
    await this.#store?.put(this.#component, partition, { fingerprint, position });
  }
}
