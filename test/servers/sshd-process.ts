// Runs OpenSSH's sshd for each connection: `node sshd-process.ts PORT SSHD CONFIG`. Its own listener leaves the
// sessions that are open alone when it ends or is frozen; these end and stand still with this process.
import { spawn } from "node:child_process";
import { createServer } from "node:net";

const [port, program = "sshd", config = ""] = process.argv.slice(2);

const server = createServer({ noDelay: true }, (socket) => {
  const session = spawn(program, ["-i", "-e", "-f", config], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  socket.pipe(session.stdin);
  session.stdout.pipe(socket);
  // Whichever goes, the other has no use.
  const end = (): void => {
    socket.destroy();
    session.kill();
  };
  for (const one of [socket, session.stdin, session.stdout]) one.on("error", end);
  session.on("error", end);
  socket.on("close", end);
  session.on("exit", () => socket.end());
});
server.listen({ host: "127.0.0.1", port: Number(port) }, () => {
  process.stderr.write("listening\n");
});
