import { expect, test } from "vitest";
import { isLong } from "../long.ts";
import { describeWith } from "./describe-with.ts";
import { exchange } from "./exchange.ts";
import { isAlive } from "./ports.ts";

describeWith("rabbitmq", (rabbitmq) => {
  test("answers at its address", async () => {
    expect(await exchange(rabbitmq, "AMQP\0\0\x09\x01", /RabbitMQ/)).toContain("PLAIN");
  });
});

// The faults of `test/faults` stand on these; they take a start of the server each.
describeWith("rabbitmq", { own: true, config: ["consumer_timeout = 123000"] }, (rabbitmq) => {
  const limit = 120_000;

  test.runIf(isLong)(
    "keeps queues and their messages over a restart and over a kill",
    { timeout: limit },
    async () => {
      await rabbitmq.ctl("eval", `${declare} ${publish}`);
      expect(await rabbitmq.ctl("list_queues", "name", "messages")).toContain("kept\t1");
      const before = rabbitmq.pid;
      await rabbitmq.restart();
      expect(rabbitmq.pid).not.toBe(before);
      expect(await rabbitmq.ctl("list_queues", "name", "messages")).toContain("kept\t1");
      await rabbitmq.kill();
      await rabbitmq.start();
      expect(await rabbitmq.ctl("list_queues", "name", "messages")).toContain("kept\t1");
    },
  );

  test.runIf(isLong)("has the options it was given", { timeout: limit }, async () => {
    const value = await rabbitmq.ctl("eval", "application:get_env(rabbit, consumer_timeout).");
    expect(value).toContain("123000");
  });

  test.runIf(isLong)("is gone after stop, with its port mapper", { timeout: limit }, async () => {
    const pid = rabbitmq.pid ?? 0;
    expect(isAlive(pid)).toBe(true);
    const mapper = await rabbitmq.ctl("eval", 'list_to_integer(os:getenv("ERL_EPMD_PORT")).');
    const mapperAddress = { host: rabbitmq.host, port: Number(mapper) };
    const names = Buffer.from([0, 1, 0x6e]);
    expect(await exchange(mapperAddress, names, /at port/)).toContain("cufflink");
    await rabbitmq.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(exchange(rabbitmq, "AMQP", /./)).rejects.toThrow(/ECONNREFUSED/);
    await expect(exchange(mapperAddress, names, /./)).rejects.toThrow(/ECONNREFUSED/);
  });
});

const declare = `
  Queue = rabbit_misc:r(<<"/">>, queue, <<"kept">>),
  {new, _} = rabbit_amqqueue:declare(Queue, true, false, [], none, <<"test">>),`;

const publish = `
  Exchange = rabbit_misc:r(<<"/">>, exchange, <<>>),
  Message = rabbit_basic:message(Exchange, <<"kept">>, [{delivery_mode, 2}], <<"x">>),
  rabbit_basic:publish(rabbit_basic:delivery(false, false, Message, undefined)).`;
