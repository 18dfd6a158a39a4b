import { readFile, writeFile } from "node:fs/promises";

/** Changes the users of a server, who beside nobody in particular may do all. */
export class NatsUsers {
  readonly #file: string;
  readonly #reload: () => void;
  readonly #users = new Map<string, string>();

  /** `file`: the configuration, which includes nothing of users yet. */
  constructor(file: string, reload: () => void) {
    this.#file = file;
    this.#reload = reload;
  }

  async add(user: string, password: string): Promise<void> {
    this.#users.set(user, password);
    await this.#write();
  }

  async remove(user: string): Promise<void> {
    this.#users.delete(user);
    await this.#write();
  }

  async #write(): Promise<void> {
    const text = await readFile(this.#file, "utf8");
    const before = text.replace(/# users[^]*$/, "");
    const users = [["nobody", "nothing"], ...this.#users].map(
      ([user, password]) => `{ user: "${user}", password: "${password}" }`,
    );
    await writeFile(
      this.#file,
      `${before}# users\nno_auth_user: nobody\nauthorization { users: [${users.join(", ")}] }\n`,
    );
    this.#reload();
  }
}
