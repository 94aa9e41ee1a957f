import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.codelibs.opensearch.runner.node.OpenSearchRunnerNode;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.transport.Netty4Plugin;

/**
 * OpenSearch with one node on a free loopback port, for tests.
 *
 * <p>Argument: the directory for its data. Writes its URL as one line to standard output once it answers,
 * and ends when standard input does, so that it never outlives the test that started it.
 */
public final class OpenSearchServer {
  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 1) {
      throw new IllegalArgumentException("wanted: HOME");
    }
    var url = System.out;
    System.setOut(System.err); // whatever OpenSearch says must not get between
    Path home = Path.of(arguments[0]).toAbsolutePath();
    Path configuration = Files.createDirectories(home.resolve("config"));
    int port = freePort();
    Settings settings =
        Settings.builder()
            .put("cluster.name", "tests")
            .put("node.name", "node")
            .put("path.home", home.toString())
            .put("path.data", home.resolve("data").toString())
            .put("path.logs", home.resolve("logs").toString())
            .put("network.host", "127.0.0.1")
            .put("http.port", port)
            .put("transport.port", freePort())
            .put("http.type", "netty4")
            .put("transport.type", "netty4")
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .put("action.destructive_requires_name", true)
            .build();
    var node =
        new OpenSearchRunnerNode(
            new Environment(settings, configuration), List.of(Netty4Plugin.class));
    node.start();
    url.println("http://127.0.0.1:" + port);
    while (System.in.read() >= 0) {
      // nothing that is said to us matters, only that somebody is there
    }
    // Its data is deleted with the test; nobody waits for an orderly end.
    Runtime.getRuntime().halt(0);
  }

  /** A port that nobody listens on. */
  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
