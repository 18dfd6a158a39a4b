import { connect } from "node:net";

/**
 * Sends bytes on a new connection and resolves to what came back, as Latin-1, once that matches. Rejects where the
 * connection fails or ends before, and after a time in milliseconds (10 s).
 */
export function exchange(
  { host, port }: { host: string; port: number },
  question: string | Uint8Array,
  until: RegExp,
  timeout = 10_000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let answer = "";
    const timer = setTimeout(() => fail(`no answer within ${timeout} ms`), timeout);
    function fail(why: string): void {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(`${host}:${port}: ${why}, got ${JSON.stringify(answer)}`));
    }
    socket.setEncoding("latin1");
    socket.on("connect", () => socket.write(question));
    socket.on("data", (chunk: string) => {
      answer += chunk;
      if (!until.test(answer)) return;
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    });
    socket.on("error", (error) => fail(error.message));
    socket.on("end", () => fail("closed"));
  });
}
