import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** The client. */
final class Calling {
  static void run(String address, String[] files) throws IOException {
    NettyChannelBuilder builder = NettyChannelBuilder.forTarget(address).maxInboundMessageSize(Program.LARGEST);
    if (files.length == 0) builder.usePlaintext();
    else
      builder
          .sslContext(GrpcSslContexts.forClient().trustManager(new File(files[0])).build())
          .overrideAuthority("localhost");
    String pause = System.getenv("KEEPALIVE_MS");
    if (pause != null) builder.keepAliveTime(Long.parseLong(pause), TimeUnit.MILLISECONDS).keepAliveWithoutCalls(true);
    ManagedChannel channel = builder.build();
    Program.eachLine(
        asked -> {
          if (asked.get("op").getAsString().equals("many")) new Thread(() -> many(channel, asked)).start();
          else new One(channel, asked).ended.thenAccept(Program::say);
        });
  }

  private static int number(JsonObject asked, String name, int otherwise) {
    return asked.has(name) ? asked.get(name).getAsInt() : otherwise;
  }

  private static List<byte[]> requests(JsonObject asked) {
    List<byte[]> messages = new ArrayList<>();
    if (asked.has("messages")) {
      for (JsonElement one : asked.getAsJsonArray("messages")) messages.add(Base64.getDecoder().decode(one.getAsString()));
      return messages;
    }
    byte[] message = new byte[number(asked, "size", 0)];
    for (int at = 0; at < message.length; at++) message[at] = (byte) (at % 251);
    for (int left = number(asked, "count", 1); left > 0; left--) messages.add(message);
    return messages;
  }

  private static final class One extends ClientCall.Listener<byte[]> {
    final CompletableFuture<Map<String, Object>> ended = new CompletableFuture<>();
    private final JsonObject asked;
    private final List<byte[]> messages;
    private final ClientCall<byte[], byte[]> call;
    private int sent;
    private boolean isClosed;
    private int count;
    private long bytes;
    private boolean same = true;
    private String first;
    private Metadata headers;

    One(ManagedChannel channel, JsonObject asked) {
      this.asked = asked;
      messages = requests(asked);
      String op = asked.get("op").getAsString();
      String path =
          asked.has("path")
              ? asked.get("path").getAsString().substring(1)
              : "cufflink.peers.Peer/" + op.substring(0, 1).toUpperCase() + op.substring(1);
      MethodType type =
          switch (op) {
            case "unary" -> MethodType.UNARY;
            case "expand" -> MethodType.SERVER_STREAMING;
            case "collect" -> MethodType.CLIENT_STREAMING;
            default -> MethodType.BIDI_STREAMING;
          };
      CallOptions options = CallOptions.DEFAULT.withWaitForReady();
      if (asked.has("gzip") && asked.get("gzip").getAsBoolean()) options = options.withCompression("gzip");
      if (asked.has("timeout")) options = options.withDeadlineAfter(asked.get("timeout").getAsLong(), TimeUnit.MILLISECONDS);
      Metadata metadata = new Metadata();
      if (asked.has("metadata"))
        for (JsonElement entry : asked.getAsJsonArray("metadata")) {
          JsonArray pair = entry.getAsJsonArray();
          Program.put(metadata, pair.get(0).getAsString(), pair.get(1).getAsString());
        }
      call = channel.newCall(Program.method(path, type), options);
      if (!type.clientSendsOneMessage()) {
        call.start(this, metadata);
        call.request(1);
        onReady();
        return;
      }
      call.start(this, metadata);
      call.request(2);
      isClosed = true;
      call.sendMessage(messages.get(0));
      call.halfClose();
    }

    @Override
    public synchronized void onReady() {
      if (isClosed) return;
      while (sent < messages.size() && call.isReady()) call.sendMessage(messages.get(sent++));
      if (sent < messages.size()) return;
      isClosed = true;
      call.halfClose();
    }

    @Override
    public void onHeaders(Metadata received) {
      headers = received;
    }

    @Override
    public void onMessage(byte[] message) {
      same = same && count < messages.size() && Arrays.equals(message, messages.get(count));
      count++;
      bytes += message.length;
      if (first == null && message.length <= 4096) first = Base64.getEncoder().encodeToString(message);
      call.request(1);
      if (count == number(asked, "cancelAfter", 0)) call.cancel("cancelled here", null);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      Map<String, Object> answer = new HashMap<>();
      if (asked.has("id")) answer.put("id", asked.get("id").getAsInt());
      answer.put("code", status.getCode().value());
      answer.put("text", status.getDescription() == null ? "" : status.getDescription());
      byte[] details = trailers.get(Program.binary("grpc-status-details-bin"));
      if (details != null) answer.put("details", Base64.getEncoder().encodeToString(details));
      answer.put("count", count);
      answer.put("bytes", bytes);
      answer.put("same", same);
      if (first != null) answer.put("first", first);
      answer.put("headers", Program.entries(headers));
      answer.put("trailers", Program.entries(trailers));
      ended.complete(answer);
    }
  }

  private static void many(ManagedChannel channel, JsonObject asked) {
    int count = asked.get("count").getAsInt();
    Semaphore places = new Semaphore(number(asked, "concurrency", count));
    JsonObject single = asked.deepCopy();
    single.addProperty("op", "unary");
    single.addProperty("count", 1);
    List<CompletableFuture<Map<String, Object>>> calls = new ArrayList<>();
    for (int left = count; left > 0; left--) {
      places.acquireUninterruptibly();
      CompletableFuture<Map<String, Object>> ended = new One(channel, single).ended;
      ended.thenRun(places::release);
      calls.add(ended);
    }
    Map<String, Integer> codes = new HashMap<>();
    List<Object> texts = new ArrayList<>();
    long bytes = 0;
    boolean same = true;
    for (CompletableFuture<Map<String, Object>> ended : calls) {
      Map<String, Object> one = ended.join();
      codes.merge(String.valueOf(one.get("code")), 1, Integer::sum);
      bytes += (Long) one.get("bytes");
      same = same && (Boolean) one.get("same");
      if (!one.get("code").equals(0) && texts.size() < 3) texts.add(one.get("text"));
    }
    Program.say(
        Map.of("id", asked.get("id").getAsInt(), "codes", codes, "bytes", bytes, "same", same, "text", texts));
  }
}
