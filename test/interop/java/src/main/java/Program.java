import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.protobuf.Empty;
import io.dapr.client.DaprClient;
import io.dapr.client.DaprClientBuilder;
import io.dapr.client.domain.InvokeBindingRequest;
import io.dapr.utils.TypeRef;
import io.dapr.v1.AppCallbackGrpc;
import io.dapr.v1.DaprAppCallbackProtos.BindingEventRequest;
import io.dapr.v1.DaprAppCallbackProtos.BindingEventResponse;
import io.dapr.v1.DaprAppCallbackProtos.ListInputBindingsResponse;
import io.grpc.ServerBuilder;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Calls bindings, and is called by them, by Dapr's SDK for Java. */
public class Program {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    if (args[0].equals("app")) {
      serve(Integer.parseInt(args[2]), List.of(args).subList(3, args.length));
      return;
    }
    try (DaprClient client = new DaprClientBuilder().build()) {
      var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode call = JSON.readTree(line);
        JsonNode data = call.path("data");
        Map<String, String> metadata = new HashMap<>();
        call.path("metadata").fields().forEachRemaining(one -> metadata.put(one.getKey(), one.getValue().asText()));
        // A text goes as it is, all else as JSON.
        String text = data.isMissingNode() ? "" : data.isTextual() ? data.asText() : data.toString();
        var request = new InvokeBindingRequest(call.get("binding").asText(), call.get("operation").asText())
            .setData(text.getBytes(StandardCharsets.UTF_8))
            .setMetadata(metadata);
        try {
          byte[] answer = client.invokeBinding(request, TypeRef.BYTE_ARRAY).block();
          write(Map.of("data", new String(answer == null ? new byte[0] : answer, StandardCharsets.UTF_8)));
        } catch (RuntimeException error) {
          write(Map.of("error", String.valueOf(error.getMessage())));
        }
      }
    }
  }

  /** The SDK has the stubs of the app's side, and no server of its own. */
  private static void serve(int port, List<String> names) throws Exception {
    var service = new AppCallbackGrpc.AppCallbackImplBase() {
      private boolean refused;

      @Override
      public void listInputBindings(Empty request, StreamObserver<ListInputBindingsResponse> answer) {
        answer.onNext(ListInputBindingsResponse.newBuilder().addAllBindings(names).build());
        answer.onCompleted();
      }

      @Override
      public synchronized void onBindingEvent(BindingEventRequest request, StreamObserver<BindingEventResponse> answer) {
        String text = request.getData().toStringUtf8();
        boolean refuses = text.contains("refuse once") && !refused;
        write(Map.of("binding", request.getName(), "data", text, "refused", refuses));
        if (refuses) {
          refused = true;
          answer.onError(Status.INTERNAL.withDescription("refused once").asRuntimeException());
          return;
        }
        answer.onNext(BindingEventResponse.getDefaultInstance());
        answer.onCompleted();
      }
    };
    ServerBuilder.forPort(port).addService(service).build().start().awaitTermination();
  }

  private static void write(Object value) {
    try {
      System.out.println("=" + JSON.writeValueAsString(value));
    } catch (Exception error) {
      throw new IllegalStateException(error);
    }
  }
}
