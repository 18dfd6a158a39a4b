import ssh2 from "ssh2";
import { expect, test } from "vitest";
import { describeWith } from "./describe-with.ts";

type Address = { readonly host: string; readonly port: number };

function login({ host, port }: Address, privateKey: string, username: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    // It may tell of more than one.
    client.on("error", reject);
    client.once("ready", () => {
      client.sftp((error, sftp) => {
        if (error) return reject(error);
        sftp.realpath(".", (error, path) => {
          client.end();
          if (error) reject(error);
          else resolve(path);
        });
      });
    });
    client.connect({ host, port, privateKey, username });
  });
}

describeWith("openssh", (server) => {
  test("lets its user in by the key that it tells, also from another process", async () => {
    const { privateKey, username } = server.login;
    expect(await login(server, privateKey, username)).toMatch(/\/files$/);
  });
});

describeWith("openssh", { own: true, config: ["AllowUsers somebody-else"] }, (server) => {
  test("has the options that it was given, and ends with its sessions", async () => {
    const { privateKey, username } = server.login;
    await expect(login(server, privateKey, username)).rejects.toThrow(/authentication methods/);
    await server.restart();
    await expect(login(server, privateKey, username)).rejects.toThrow(/authentication methods/);
  });
});
