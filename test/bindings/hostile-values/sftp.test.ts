import { readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import sftp from "../../../src/bindings/sftp/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { testHostileValues } from "./suite.ts";

describeWith("openssh", { own: true }, (server) => {
  testHostileValues(sftp, ["a file's name"], async () => {
    const rootPath = "below/root";
    return {
      properties: { address: `${server.host}:${server.port}`, rootPath, ...server.login },
      places: {
        "a file's name": {
          send: (output, fileName) => output.invoke("create", { fileName }, { data: "hello" }),
          expected: (fileName) => relative("/", join("/", fileName)),
          // All that is there, wherever it got to.
          async arrived() {
            const files = await readdir(server.files, { recursive: true, withFileTypes: true });
            const paths = files
              .filter((entry) => entry.isFile())
              .map((entry) => join(entry.parentPath, entry.name));
            await Promise.all(paths.map((path) => rm(path)));
            return paths.map((path) => relative(join(server.files, rootPath), path));
          },
        },
      },
    };
  });
});
