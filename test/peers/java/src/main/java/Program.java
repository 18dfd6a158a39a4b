import com.google.gson.Gson;
import com.google.gson.JsonObject;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A client and a server of grpc-java for messages that are plain bytes. Lines of JSON on standard input say what to do. */
public final class Program {
  static final int LARGEST = 64 << 20;
  static final Gson GSON = new Gson();
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    String[] files = List.of(args).subList(2, args.length).toArray(new String[0]);
    if (args[0].equals("server")) Serving.run(Integer.parseInt(args[1]), files);
    else Calling.run(args[1], files);
  }

  static synchronized void say(Map<String, ?> value) {
    OUT.println("=" + GSON.toJson(value));
  }

  static void eachLine(Consumer<JsonObject> take) throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) take.accept(GSON.fromJson(line, JsonObject.class));
    System.exit(0);
  }

  static MethodDescriptor<byte[], byte[]> method(String path, MethodDescriptor.MethodType type) {
    return MethodDescriptor.<byte[], byte[]>newBuilder()
        .setType(type)
        .setFullMethodName(path)
        .setRequestMarshaller(new Raw())
        .setResponseMarshaller(new Raw())
        .build();
  }

  private static final class Raw implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }

  /** Values whose names end in -bin are base64 here. */
  static void put(Metadata metadata, String name, String value) {
    if (name.endsWith("-bin")) metadata.put(binary(name), Base64.getDecoder().decode(value));
    else metadata.put(ascii(name), value);
  }

  static List<String[]> entries(Metadata metadata) {
    List<String[]> entries = new ArrayList<>();
    if (metadata == null) return entries;
    for (String name : metadata.keys()) {
      if (name.endsWith("-bin")) {
        for (byte[] value : metadata.getAll(binary(name)))
          entries.add(new String[] {name, Base64.getEncoder().encodeToString(value)});
      } else {
        for (String value : metadata.getAll(ascii(name))) entries.add(new String[] {name, value});
      }
    }
    return entries;
  }

  static Metadata.Key<String> ascii(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  static Metadata.Key<byte[]> binary(String name) {
    return Metadata.Key.of(name, Metadata.BINARY_BYTE_MARSHALLER);
  }
}
