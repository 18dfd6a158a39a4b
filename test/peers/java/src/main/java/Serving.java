import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** The server: each method by the calls' own interface, which carries metadata both ways. */
final class Serving {
  private static final Set<Held> HELD = new HashSet<>();

  static void run(int port, String[] files) throws IOException {
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port))
            .maxInboundMessageSize(Program.LARGEST)
            .permitKeepAliveTime(500, TimeUnit.MILLISECONDS)
            .permitKeepAliveWithoutCalls(true)
            .addService(
                ServerServiceDefinition.builder("cufflink.peers.Peer")
                    .addMethod(Program.method("cufflink.peers.Peer/Unary", MethodType.UNARY), handler(Unary::new))
                    .addMethod(Program.method("cufflink.peers.Peer/Expand", MethodType.SERVER_STREAMING), handler(Expand::new))
                    .addMethod(Program.method("cufflink.peers.Peer/Collect", MethodType.CLIENT_STREAMING), handler(Collect::new))
                    .addMethod(Program.method("cufflink.peers.Peer/Chat", MethodType.BIDI_STREAMING), handler(Chat::new))
                    .build())
            .addService(
                ServerServiceDefinition.builder("dapr.proto.runtime.v1.AppCallback")
                    .addMethod(
                        Program.method("dapr.proto.runtime.v1.AppCallback/OnBindingEvent", MethodType.UNARY),
                        handler(Deliver::new))
                    .addMethod(
                        Program.method("dapr.proto.runtime.v1.AppCallback/ListInputBindings", MethodType.UNARY),
                        handler(Bindings::new))
                    .build());
    if (files.length == 2) builder.useTransportSecurity(new File(files[0]), new File(files[1]));
    Server server = builder.build().start();
    Program.say(Map.of("event", "listening"));
    Program.eachLine(
        asked -> {
          if (asked.get("op").getAsString().equals("release")) release();
          else new Thread(() -> shutDown(server)).start();
        });
  }

  private static void shutDown(Server server) {
    try {
      server.shutdown().awaitTermination();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
    Program.say(Map.of("event", "closed"));
    System.exit(0);
  }

  private static synchronized void release() {
    for (Held held : HELD) held.end();
    HELD.clear();
  }

  private static synchronized void hold(Held held) {
    HELD.add(held);
    Program.say(Map.of("event", "holding", "count", HELD.size()));
  }

  private static synchronized void cancelled(Held held) {
    if (HELD.remove(held)) Program.say(Map.of("event", "cancelled"));
  }

  private interface Make {
    Handling make(ServerCall<byte[], byte[]> call, Metadata metadata);
  }

  private static ServerCallHandler<byte[], byte[]> handler(Make make) {
    return (call, metadata) -> {
      Handling handling = make.make(call, metadata);
      call.setCompression("gzip");
      call.sendHeaders(handling.some("echo-"));
      call.request(1);
      return handling;
    };
  }

  private interface Held {
    void end();
  }

  private abstract static class Handling extends ServerCall.Listener<byte[]> implements Held {
    final ServerCall<byte[], byte[]> call;
    final Metadata metadata;
    byte[] answer = new byte[0];

    Handling(ServerCall<byte[], byte[]> call, Metadata metadata) {
      this.call = call;
      this.metadata = metadata;
    }

    String text(String name) {
      String value = metadata.get(Program.ascii(name));
      return value == null ? "" : value;
    }

    int number(String name, int otherwise) {
      return text(name).isEmpty() ? otherwise : Integer.parseInt(text(name));
    }

    Metadata some(String prefix) {
      Metadata some = new Metadata();
      for (String[] entry : Program.entries(metadata)) if (entry[0].startsWith(prefix)) Program.put(some, entry[0], entry[1]);
      return some;
    }

    void fail() {
      Metadata trailers = some("trail-");
      trailers.put(Program.binary("grpc-status-details-bin"), metadata.get(Program.binary("details-bin")));
      call.close(Status.FAILED_PRECONDITION.withDescription("not now: grüße, 100 %"), trailers);
    }

    @Override
    public void end() {
      call.close(Status.OK, some("trail-"));
    }

    @Override
    public void onCancel() {
      cancelled(this);
    }
  }

  private static class Unary extends Handling {
    Unary(ServerCall<byte[], byte[]> call, Metadata metadata) {
      super(call, metadata);
    }

    @Override
    public void onMessage(byte[] message) {
      answer = message;
    }

    @Override
    public void onHalfClose() {
      switch (text("do")) {
        case "hold" -> hold(this);
        case "fail" -> fail();
        default -> end();
      }
    }

    @Override
    public void end() {
      call.sendMessage(answer);
      super.end();
    }
  }

  private static final class Deliver extends Unary {
    Deliver(ServerCall<byte[], byte[]> call, Metadata metadata) {
      super(call, metadata);
    }

    @Override
    public void onMessage(byte[] message) {
      Program.say(Map.of("event", "delivered", "data", Base64.getEncoder().encodeToString(message)));
    }
  }

  private static final class Bindings extends Unary {
    Bindings(ServerCall<byte[], byte[]> call, Metadata metadata) {
      super(call, metadata);
    }

    @Override
    public void onMessage(byte[] message) {
      answer = "\n\u0004tick".getBytes(StandardCharsets.US_ASCII);
    }
  }

  private static final class Expand extends Handling {
    private int left = number("count", 1);
    private boolean isAsked;
    private boolean isOver;

    Expand(ServerCall<byte[], byte[]> call, Metadata metadata) {
      super(call, metadata);
    }

    @Override
    public void onHalfClose() {
      answer = "a".repeat(number("size", 0)).getBytes(StandardCharsets.US_ASCII);
      isAsked = true;
      onReady();
    }

    @Override
    public void onReady() {
      if (!isAsked || isOver) return;
      for (; left > 0 && call.isReady(); left--) call.sendMessage(answer);
      if (left > 0) return;
      isOver = true;
      switch (text("do")) {
        case "hold" -> hold(this);
        case "fail" -> fail();
        default -> end();
      }
    }
  }

  private static final class Collect extends Handling {
    private int count;
    private long bytes;

    Collect(ServerCall<byte[], byte[]> call, Metadata metadata) {
      super(call, metadata);
    }

    @Override
    public void onMessage(byte[] message) {
      count++;
      bytes += message.length;
      call.request(1);
    }

    @Override
    public void onHalfClose() {
      call.sendMessage((count + " " + bytes).getBytes(StandardCharsets.US_ASCII));
      end();
    }
  }

  private static final class Chat extends Handling {
    private boolean waits;

    Chat(ServerCall<byte[], byte[]> call, Metadata metadata) {
      super(call, metadata);
    }

    @Override
    public void onMessage(byte[] message) {
      call.sendMessage(message);
      waits = !call.isReady();
      if (!waits) call.request(1);
    }

    @Override
    public void onReady() {
      if (!waits) return;
      waits = false;
      call.request(1);
    }

    @Override
    public void onHalfClose() {
      end();
    }
  }
}
